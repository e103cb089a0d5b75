"""News of requests: wakes those in this process who watch one."""

import asyncio
from collections.abc import Callable
from weakref import WeakValueDictionary


class Bell:
    """Rings once for everyone who waits for it at that time."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def next_ring(self) -> asyncio.Event:
        """Set at the next ring after this call."""
        return self._rung

    def ring(self) -> None:
        """Wake everyone who waits."""
        self._rung.set()
        self._rung = asyncio.Event()


class News:
    """One bell per watched request, and one listener for what other workers do."""

    def __init__(self) -> None:
        self._bells: WeakValueDictionary[str, Bell] = WeakValueDictionary()
        self._hear: Callable[[str | None], None] | None = None

    @property
    def has_readers(self) -> bool:
        """Whether anybody wants to know."""
        return self._hear is not None or bool(self._bells)

    def bell(self, request_id: str) -> Bell:
        """The request's bell, for as long as somebody holds it."""
        return self._bells.setdefault(request_id, Bell())

    def listen(self, hear: Callable[[str | None], None]) -> None:
        """Call `hear` with the id of every request that others changed; None: it may be any."""
        self._hear = hear

    def tell(self, request_id: str) -> None:
        """This worker has changed the request."""
        if (bell := self._bells.get(request_id)) is not None:
            bell.ring()

    def overhear(self, request_id: str | None) -> None:
        """Another worker has changed the request, or any."""
        if request_id is None:
            for bell in list(self._bells.values()):
                bell.ring()
        else:
            self.tell(request_id)
        if self._hear is not None:
            self._hear(request_id)
