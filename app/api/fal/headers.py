"""What fal's clients say in headers and query parameters."""

import math
import re
from collections.abc import Mapping

from app.errors import BadRequestError
from app.generation import Tier

_LEAST_TIMEOUT_S = 0.1
_NUMBER = re.compile(r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)
_COUNT = re.compile(r"\d{1,9}", re.ASCII)
_TIERS = {"normal": Tier.STANDARD, "low": Tier.BATCH}


def start_timeout_s(headers: Mapping[str, str]) -> float | None:
    """The longest wait for a start, in seconds, by X-Fal-Request-Timeout; raises BadRequestError."""
    text = headers.get("x-fal-request-timeout")
    if text is None:
        return None
    timeout_s = float(text) if _NUMBER.fullmatch(text) else math.nan
    if not _LEAST_TIMEOUT_S < timeout_s < math.inf:
        raise BadRequestError(f"X-Fal-Request-Timeout must be a number of seconds greater than {_LEAST_TIMEOUT_S}")
    return timeout_s


def queue_tier(headers: Mapping[str, str]) -> Tier:
    """The service class of a queued request, by X-Fal-Queue-Priority; raises BadRequestError."""
    priority = headers.get("x-fal-queue-priority", "normal")
    if priority not in _TIERS:
        raise BadRequestError("X-Fal-Queue-Priority must be normal or low")
    return _TIERS[priority]


def max_queue_length(query: Mapping[str, str]) -> int | None:
    """How many requests may wait already, by fal_max_queue_length; raises BadRequestError."""
    text = query.get("fal_max_queue_length")
    if text is None:
        return None
    if _COUNT.fullmatch(text) is None:
        raise BadRequestError("fal_max_queue_length must be a whole number")
    return int(text)


def refuse_webhook(query: Mapping[str, str]) -> None:
    """Raises BadRequestError when a webhook is asked for: a caller that waits for one must learn that none comes."""
    if "fal_webhook" in query:
        raise BadRequestError("fal_webhook is not supported; ask for the status instead")


def wants_logs(query: Mapping[str, str]) -> bool:
    """Whether logs were asked for: clients write 1 or true."""
    return query.get("logs", "").lower() in ("1", "true")
