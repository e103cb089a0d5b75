"""Whether the graph is ready, when its controller does not answer."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from deployments.readiness import Readiness

AT_ONCE_S = 0.01


class Controller:
    """Answers once it may; counts who asks it."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()
        self.asked = 0
        self.error: Exception | None = None

    def is_running(self) -> bool:
        """Everything is there, unless there is an error."""
        self.asked += 1
        self.may_answer.wait()
        if self.error is not None:
            raise self.error
        return True


@pytest.fixture
def controller() -> Iterator[Controller]:
    """A controller that is let go in the end, because threads cannot be cancelled."""
    controller = Controller()
    yield controller
    controller.may_answer.set()


async def test_a_graph_that_runs_is_ready(controller: Controller) -> None:
    """The controller's word counts."""
    controller.may_answer.set()
    assert await Readiness(controller.is_running)()


async def test_who_cannot_be_asked_is_not_ready(controller: Controller) -> None:
    """An error is an answer too."""
    controller.may_answer.set()
    controller.error = ConnectionError("the controller is gone")
    assert not await Readiness(controller.is_running)()


async def test_a_controller_that_hangs_is_asked_once(controller: Controller) -> None:
    """The answer comes in time, and however many ask, one thread waits; when it is back, all are well again."""
    readiness = Readiness(controller.is_running, patience_s=AT_ONCE_S)
    assert await asyncio.gather(*(readiness() for _ in range(20))) == [False] * 20
    assert not await readiness()
    assert controller.asked == 1
    controller.may_answer.set()
    while not await readiness():
        pass
