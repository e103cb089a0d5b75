"""News of requests: wakes those in this process who watch one."""

from collections.abc import Callable
from weakref import WeakValueDictionary

from app.signals import Signal


class News:
    """One signal per watched request, and one listener for what other workers do."""

    def __init__(self) -> None:
        self._watched: WeakValueDictionary[str, Signal] = WeakValueDictionary()
        self._hear: Callable[[str | None], None] | None = None

    @property
    def has_readers(self) -> bool:
        """Whether anybody wants to know."""
        return self._hear is not None or bool(self._watched)

    def signal(self, request_id: str) -> Signal:
        """Given when the request has changed, for as long as somebody holds it."""
        return self._watched.setdefault(request_id, Signal())

    def listen(self, hear: Callable[[str | None], None]) -> None:
        """Call `hear` with the id of every request that others changed; None: it may be any."""
        self._hear = hear

    def tell(self, request_id: str) -> None:
        """This worker has changed the request."""
        if (signal := self._watched.get(request_id)) is not None:
            signal.give()

    def overhear(self, request_id: str | None) -> None:
        """Another worker has changed the request, or any."""
        if request_id is None:
            for signal in list(self._watched.values()):
                signal.give()
        else:
            self.tell(request_id)
        if self._hear is not None:
            self._hear(request_id)
