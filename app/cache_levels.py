"""How far from a request the picture was made that answers it, and how far it may have been."""

from enum import StrEnum


class CacheLevel(StrEnum):
    """Where a picture came from.

    Made for this request, stored for the same one, stored for the same one in other words, or shared with one that is
    under way.
    """

    NONE = "none"
    EXACT = "exact"
    CANONICAL = "canonical"
    JOINED = "joined"


class CacheLimit(StrEnum):
    """How far a request may be answered with pictures that were not made for it, each value further than the last.

    `exact` is the same request, seed included; `canonical` also the same request in other words, where neither names
    a seed.
    """

    OFF = "off"
    EXACT = "exact"
    CANONICAL = "canonical"

    def within(self, most: "CacheLimit") -> "CacheLimit":
        """This limit, or the other one where that allows less."""
        return min(self, most, key=tuple(CacheLimit).index)
