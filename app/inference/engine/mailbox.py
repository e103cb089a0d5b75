"""Messages from the device's thread to the event loop, in order, with as few wake-ups as possible."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Message = TypeVar("Message")


class Mailbox(Generic[Message]):
    """Hands everything that is posted, from any thread, to `read` in the event loop that opened it."""

    def __init__(self, read: Callable[[Message], object]) -> None:
        self._read = read
        self._messages: deque[Message] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._is_notified = False

    def open(self) -> None:
        """Let this event loop read."""
        self._loop = asyncio.get_running_loop()

    def post_later(self, message: Message) -> None:
        """Leave a message that is in no hurry: it is read with the next one that is, and before it."""
        self._messages.append(message)

    def post(self, message: Message) -> None:
        """Leave a message; it is read soon, after those that were posted before."""
        self._messages.append(message)
        if not self._is_notified:
            self._notify()

    def _deliver(self) -> None:
        self._is_notified = False
        try:
            while self._messages:
                self._read(self._messages.popleft())
        finally:
            if self._messages:
                self._notify()

    def _notify(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._is_notified = True
            self._loop.call_soon_threadsafe(self._deliver)
