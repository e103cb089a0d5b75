"""What fal's clients say in headers and query parameters."""

import math
import re
from collections.abc import Mapping
from typing import Any

import httpx
from pydantic_core import from_json

from app.errors import BadRequestError
from app.generation import Tier
from app.handling import Handling, Retries

_LEAST_TIMEOUT_S = 0.1
_NUMBER = re.compile(r"\d+(?:\.\d*)?(?:[eE][+-]?\d+)?", re.ASCII)
_LONGEST_URL = 2048
_LONGEST_LIFETIME_S = 1e10
_COUNT = re.compile(r"\d{1,9}", re.ASCII)
_LONGEST_HINT = 256
_MOST_TAGS = 32
_LONGEST_TAG = 256
_YES = ("1", "true", "yes")
_PREFERENCE = "x-fal-object-lifecycle-preference"
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


def webhook_url(query: Mapping[str, str]) -> str | None:
    """The URL that is told about the result, by fal_webhook; raises BadRequestError for one that cannot be.

    Whether its address may be reached is known only when it is resolved, at the delivery.
    """
    text = query.get("fal_webhook")
    if text is None:
        return None
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL as error:
        raise BadRequestError("fal_webhook must be a URL") from error
    if url.scheme not in ("http", "https") or not url.host or len(text) > _LONGEST_URL:
        raise BadRequestError(f"fal_webhook must be an http or https URL of at most {_LONGEST_URL} characters")
    return text


def stores_io(headers: Mapping[str, str]) -> bool:
    """Whether input and output may be kept for as long as usual, by X-Fal-Store-IO: 0 asks for less."""
    return headers.get("x-fal-store-io", "1").strip().lower() not in ("0", "false")


def upload_lifetime_s(headers: Mapping[str, str]) -> float | None:
    """How long an upload shall stay, in seconds, by X-Fal-Object-Lifecycle; raises BadRequestError.

    An access list that hides the file from somebody is refused: here everybody who knows its URL may read it.
    """
    return _lifetime_s(headers.get("x-fal-object-lifecycle") or headers.get(_PREFERENCE))


def output_lifetime_s(headers: Mapping[str, str]) -> float | None:
    """How long files of the output shall stay, in seconds, by X-Fal-Object-Lifecycle-Preference.

    Raises BadRequestError as for an upload.
    """
    return _lifetime_s(headers.get(_PREFERENCE))


def handling(headers: Mapping[str, str]) -> Handling:
    """How the caller wants the request handled; raises BadRequestError for a lifetime that cannot be had."""
    return Handling(
        hint=headers.get("x-fal-runner-hint", "").strip()[:_LONGEST_HINT],
        tags=tags(headers),
        retries=retries(headers),
        output_lifetime_s=output_lifetime_s(headers),
    )


def retries(headers: Mapping[str, str]) -> Retries:
    """How often a queued request is tried again, by X-Fal-No-Retry, which beats X-Fal-Retry-Config.

    A configuration that is malformed counts for nothing, as on fal. Its `timeout` is about attempts that
    are broken off after some time, which nothing is here.
    """
    if headers.get("x-fal-no-retry", "").strip().lower() in _YES:
        return Retries(connection_error=0, server_error=0)
    try:
        wish = from_json(headers.get("x-fal-retry-config", "{}"), allow_inf_nan=False)
    except ValueError:
        return Retries()
    if not isinstance(wish, dict):
        return Retries()
    return Retries(connection_error=_retries(wish, "connection_error"), server_error=_retries(wish, "server_error"))


def tags(headers: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """The caller's labels, by X-Fal-Tags: `name=value`, separated by commas; raises BadRequestError for too many."""
    found = [part.partition("=") for part in headers.get("x-fal-tags", "").split(",") if part.strip()]
    labels = {name.strip(): value.strip() for name, _, value in found}
    if len(labels) > _MOST_TAGS or any(len(name) + len(value) > _LONGEST_TAG for name, value in labels.items()):
        raise BadRequestError(f"X-Fal-Tags has at most {_MOST_TAGS} labels of {_LONGEST_TAG} characters each")
    return tuple(labels.items())


def _retries(wish: dict[str, Any], condition: str) -> int | None:
    match wish.get(condition):
        case {"retries": int(count)} if not isinstance(count, bool) and count >= 0:
            return count
    return None


def _lifetime_s(text: str | None) -> float | None:
    wish = _lifecycle(text) if text else {}
    if _hides(wish.get("initial_acl") or {}):
        raise BadRequestError("Access lists are not supported; a file is readable for everybody who knows its URL")
    seconds = wish.get("expiration_duration_seconds")
    if seconds is None:
        return None
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds < _LONGEST_LIFETIME_S:
        raise BadRequestError("expiration_duration_seconds must be a positive number of seconds")
    return float(seconds)


def _lifecycle(text: str) -> dict[str, Any]:
    try:
        wish = from_json(text, allow_inf_nan=False)
    except ValueError:
        wish = None
    if not isinstance(wish, dict):
        raise BadRequestError("X-Fal-Object-Lifecycle must be a JSON object")
    return wish


def _hides(access: Any) -> bool:
    if not isinstance(access, dict):
        return True
    rules = access.get("rules") or []
    if not isinstance(rules, list):
        return True
    decisions = [rule.get("decision") if isinstance(rule, dict) else None for rule in rules]
    return any(decision != "allow" for decision in (access.get("default", "allow"), *decisions))


def wants_logs(query: Mapping[str, str]) -> bool:
    """Whether logs were asked for: clients write 1 or true."""
    return query.get("logs", "").lower() in ("1", "true")
