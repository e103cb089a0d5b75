"""How far from a request the picture was made that answers it, and how far it may have been."""

from dataclasses import dataclass
from enum import StrEnum


class CacheLevel(StrEnum):
    """Where a picture came from.

    Made for this request, stored for the same one, stored for the same one in other words, stored for a similar one, or
    shared with one that is under way.
    """

    NONE = "none"
    EXACT = "exact"
    CANONICAL = "canonical"
    SIMILAR = "similar"
    JOINED = "joined"


class CacheLimit(StrEnum):
    """How far a request may be answered with pictures that were not made for it, each value further than the last.

    `exact` is the same request, seed included; `canonical` also the same request in other words, where neither names
    a seed; `similar` also one that audits have shown to be good for it often enough.
    """

    OFF = "off"
    EXACT = "exact"
    CANONICAL = "canonical"
    SIMILAR = "similar"

    def within(self, most: "CacheLimit") -> "CacheLimit":
        """This limit, or the other one where that allows less."""
        return min(self, most, key=tuple(CacheLimit).index)


@dataclass(frozen=True, slots=True, kw_only=True)
class SimilarityEvidence:
    """Why the picture of a similar prompt answers.

    `entry` names what was nominated and `similarity` is the cosine between the two prompts; of the hits of its kind at
    most the share `bound` is wrong, by `audits` audits that this rests on.
    """

    entry: str
    similarity: float
    bound: float
    audits: int
