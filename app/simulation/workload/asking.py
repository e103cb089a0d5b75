"""One request of a stream."""

from dataclasses import dataclass
from enum import StrEnum


class Change(StrEnum):
    """How a request differs from the one before it in its session."""

    NEW = "new"
    REROLL = "re-roll"
    DETAIL = "detail"
    ATTRIBUTE = "attribute"
    PARAPHRASE = "paraphrase"
    CROWD = "crowd"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """What a caller of a tenant asks `arrival_s` seconds after the stream's beginning.

    `seed` is None where the caller names none; `drawn_seed` is the one that a fresh picture is then drawn with.
    """

    number: int
    arrival_s: float
    tenant: str
    caller: str
    prompt: str
    seed: int | None
    drawn_seed: int
    change: Change
