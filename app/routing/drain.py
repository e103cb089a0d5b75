"""How fast a queue is served, measured."""

from collections import deque


class DrainRate:
    """The pace at which jobs left a queue in the last `window_s` seconds."""

    def __init__(self, *, window_s: float = 60.0) -> None:
        self._window_s = window_s
        self._served: deque[tuple[float, int]] = deque()

    def record(self, jobs: int, now_s: float) -> None:
        """Note that so many jobs have just been served."""
        self._served.append((now_s, jobs))
        self._forget(now_s)

    def seconds_for(self, jobs: int, now_s: float) -> float:
        """How long serving so many jobs will take at the measured pace, from one second to the window."""
        self._forget(now_s)
        served = sum(count for _, count in self._served)
        if not served:
            return self._window_s
        elapsed_s = now_s - self._served[0][0]
        return min(max(1.0, jobs * elapsed_s / served), self._window_s)

    def _forget(self, now_s: float) -> None:
        while self._served and self._served[0][0] < now_s - self._window_s:
            self._served.popleft()
