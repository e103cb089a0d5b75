"""A server process from its start to its end."""

from collections.abc import Callable

import psutil
import pytest

from app.cli import processes
from app.cli.session import Session
from app.errors import ConfigurationError

Begin = Callable[[str], Session]


async def test_stages_until_ready(begin: Begin) -> None:
    """The stages that the server reports arrive in order, and the wait ends when it answers that it is ready."""
    session = begin("warm")

    stages = [stage async for stage in session.server.starting()]

    assert [stage.name for stage in stages] == ["ray"]


async def test_failure_at_start(begin: Begin) -> None:
    """A server that ends before it is ready raises the reason that it gave."""
    session = begin("broken")

    with pytest.raises(ConfigurationError, match="the model does not load"):
        _ = [stage async for stage in session.server.starting()]


async def test_stop_ends_what_the_server_started(begin: Begin) -> None:
    """Stopping the server ends its children too."""
    session = begin("warm")
    stages = [stage async for stage in session.server.starting()]

    child = psutil.Process(stages[0].facts["child"])

    session.server.stop()

    assert not processes.is_alive(child)


async def test_end_after_ready(begin: Begin) -> None:
    """A server that dies in service is noticed, with its last words."""
    session = begin("warm")
    _ = [stage async for stage in session.server.starting()]
    session.server.family[0].kill()

    with pytest.raises(ConfigurationError, match="status -9"):
        await session.server.ended()
