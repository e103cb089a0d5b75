"""The places of requests that wait."""

from bisect import bisect_left, insort
from collections import defaultdict


class WaitingOrder:
    """Requests that wait, most urgent first, each variant's apart: what the router's queues do to them."""

    def __init__(self) -> None:
        self._by_variant: dict[str, list[tuple[float, int, str]]] = defaultdict(list)
        self._places: dict[str, tuple[str, tuple[float, int, str]]] = {}
        self._added = 0

    def add(self, request_id: str, *, variant: str, deadline_s: float) -> None:
        """Let a request wait behind those with an earlier or the same deadline."""
        place = (deadline_s, self._added, request_id)
        self._added += 1
        self._places[request_id] = (variant, place)
        insort(self._by_variant[variant], place)

    def remove(self, request_id: str) -> bool:
        """Take a request out; false when it does not wait."""
        if request_id not in self._places:
            return False
        variant, place = self._places.pop(request_id)
        waiting = self._by_variant[variant]
        del waiting[bisect_left(waiting, place)]
        return True

    def position(self, request_id: str) -> int | None:
        """How many requests are served before this one; None when it does not wait."""
        if request_id not in self._places:
            return None
        variant, place = self._places[request_id]
        return bisect_left(self._by_variant[variant], place)
