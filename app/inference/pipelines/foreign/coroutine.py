"""Lets a function that was written to run through hand control back from its middle."""

import weakref
from collections.abc import Callable
from queue import SimpleQueue
from threading import Thread
from typing import Generic, TypeVar

Item = TypeVar("Item")


class ThreadCoroutine(Generic[Item]):
    """Runs a function in a thread of its own, but only while `resume` waits for it: never both at a time.

    The function is given `pause`, which hands one item to whoever has called `resume` and returns
    at the next `resume`; what it returns is its last item. When the coroutine is dropped, `pause`
    raises in the function, so that its thread ends; therefore the function must not hold the coroutine.
    """

    def __init__(self, function: Callable[[Callable[[Item], None]], Item], *, name: str) -> None:
        self._turns: _Turns[Item] = _Turns()
        self._thread = Thread(target=_run, args=(function, self._turns), name=name, daemon=True)
        # At exit a waiting thread is better left alone: the interpreter that it needs is going.
        weakref.finalize(self, self._turns.abandon).atexit = False

    def resume(self) -> Item:
        """The next item, as soon as it is there; raises what the function has raised. After the last item: never."""
        if self._thread.ident is None:
            self._thread.start()
        return self._turns.give()


class _DroppedError(BaseException):
    """Ends a function that nobody will resume; no handler of ordinary errors may stop it."""


class _Turns(Generic[Item]):
    """Whose turn it is, between the owner of a coroutine and its thread."""

    def __init__(self) -> None:
        self._go: SimpleQueue[bool] = SimpleQueue()
        self._answers: SimpleQueue[Item | BaseException] = SimpleQueue()

    def give(self) -> Item:
        self._go.put(True)
        answer = self._answers.get()
        if not isinstance(answer, BaseException):
            return answer
        try:
            raise answer
        finally:
            # The error holds this frame; held by it in turn, nobody's frame would be freed before a collection.
            del answer

    def wait(self) -> None:
        if not self._go.get():
            self.abandon()
            raise _DroppedError

    def answer(self, answer: Item | BaseException) -> None:
        self._answers.put(answer)

    def pause(self, item: Item) -> None:
        self.answer(item)
        self.wait()

    def abandon(self) -> None:
        self._go.put(False)


def _run(function: Callable[[Callable[[Item], None]], Item], turns: _Turns[Item]) -> None:
    try:
        turns.wait()
        turns.answer(function(turns.pause))
    except _DroppedError:
        return
    except BaseException as error:
        turns.answer(error)
