"""Which pictures are worth remembering: those that come again, cost much to make, and take little room.

New ones are on probation; what is asked for again, or was dearer than most, moves to the main part, where the least
worth per byte gives way. Each tenant has room of its own.
"""

from app.cache.eviction.contract import Entry
from app.cache.eviction.probation import ProbationCache
from app.cache.eviction.shares import TenantShares

__all__ = ["Entry", "ProbationCache", "TenantShares"]
