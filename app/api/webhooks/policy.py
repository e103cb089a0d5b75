"""When a delivery to a webhook is tried again, and when it is given up."""

from enum import Enum, auto

from app.config import WebhookSettings


class Outcome(Enum):
    """What became of one delivery."""

    ACKNOWLEDGED = auto()
    REFUSED = auto()
    FAILED = auto()


def outcome_of(status_code: int) -> Outcome:
    """2xx acknowledges, 3xx refuses for good, because a redirect is not followed; everything else may pass."""
    if 200 <= status_code < 300:
        return Outcome.ACKNOWLEDGED
    return Outcome.REFUSED if 300 <= status_code < 400 else Outcome.FAILED


def retry_delay_s(settings: WebhookSettings, outcome: Outcome, *, failed_before: int) -> float | None:
    """Seconds until the next delivery, each wait twice the one before; None when there is no other."""
    if outcome is not Outcome.FAILED or failed_before >= settings.retries:
        return None
    return settings.first_delay_s * float(2**failed_before)


def timeout_s(settings: WebhookSettings, *, failed_before: int) -> float:
    """How long the receiver of a delivery may take to answer: a first one less, because most are answered at once."""
    return settings.retry_timeout_s if failed_before else settings.timeout_s
