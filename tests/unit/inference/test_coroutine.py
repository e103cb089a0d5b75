"""Functions that hand control back from their middle."""

import gc
import threading
from collections.abc import Callable

import pytest

from app.inference.pipelines.foreign.coroutine import ThreadCoroutine

Pause = Callable[[str], None]


def thread_named(name: str) -> threading.Thread | None:
    """The living thread of that name."""
    return next((thread for thread in threading.enumerate() if thread.name == name), None)


def test_the_owner_and_the_function_take_turns() -> None:
    """The function runs from one `resume` to its next `pause`, and never beside its owner."""
    events = []

    def count(pause: Pause) -> str:
        for number in ("one", "two"):
            events.append(number)
            pause(number)
        return "end"

    coroutine = ThreadCoroutine(count, name="turns")
    assert events == []
    for expected in ("one", "two", "end"):
        events.append(f"before {expected}")
        assert coroutine.resume() == expected
        events.append(f"after {expected}")
    turns = (("before one", "one", "after one"), ("before two", "two", "after two"), ("before end", "after end"))
    assert events == [event for turn in turns for event in turn]


def test_what_the_function_raises_reaches_its_owner() -> None:
    """An error ends the function and is raised by the `resume` that met it."""

    def fail(pause: Pause) -> str:
        pause("fine")
        raise ValueError("no more")

    coroutine = ThreadCoroutine(fail, name="failing")
    assert coroutine.resume() == "fine"
    with pytest.raises(ValueError, match="no more"):
        coroutine.resume()


def test_a_function_that_nobody_resumes_ends() -> None:
    """Dropping the coroutine ends its thread at once: what cleans up runs, what handles errors does not."""
    cleaned = []

    def wait(pause: Pause) -> str:
        try:
            pause("waiting")
        except Exception:
            cleaned.append("handled")
        finally:
            cleaned.append("cleaned up")
        return "end"

    coroutine = ThreadCoroutine(wait, name="waiting")
    coroutine.resume()
    thread = thread_named("waiting")
    gc.disable()
    try:
        del coroutine
        thread.join(10)
    finally:
        gc.enable()
    assert not thread.is_alive()
    assert cleaned == ["cleaned up"]


def test_a_function_that_pauses_while_it_ends_is_not_kept() -> None:
    """Cleaning up may pause once more; nobody answers, and the thread ends all the same."""

    def cling(pause: Pause) -> str:
        try:
            pause("waiting")
        finally:
            pause("still here")
        return "end"

    coroutine = ThreadCoroutine(cling, name="clinging")
    coroutine.resume()
    thread = thread_named("clinging")
    del coroutine
    thread.join(10)
    assert not thread.is_alive()


def test_a_function_that_is_never_resumed_needs_no_thread() -> None:
    """The thread begins with the first `resume`."""
    coroutine = ThreadCoroutine(lambda pause: "end", name="unused")
    assert thread_named("unused") is None
    assert coroutine.resume() == "end"
