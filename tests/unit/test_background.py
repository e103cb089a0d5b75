"""BackgroundTasks: nothing that was started is forgotten."""

import asyncio
import contextvars
import logging

import pytest
from fakes import settle

from app.background import BackgroundTasks


async def test_a_failure_nobody_waits_for_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The log has the error, because no caller can get it."""

    async def fail() -> None:
        """Fail."""
        raise ConnectionError("nobody there")

    tasks = BackgroundTasks()
    with caplog.at_level(logging.ERROR):
        tasks.start(fail())
        await settle()
    assert "nobody there" in caplog.text
    assert len(tasks) == 0


async def test_closing_waits_until_everything_has_ended() -> None:
    """Tasks are cancelled, and have cleaned up when close returns."""
    cleaned = []

    async def work() -> None:
        """Work until told to stop, then take a moment."""
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            cleaned.append("work")

    tasks = BackgroundTasks()
    tasks.start(work())
    await settle()
    await tasks.close()
    assert cleaned == ["work"]


async def test_a_task_knows_nothing_of_the_call_that_started_it() -> None:
    """Ray Serve cancels what is called in the context of a request that ends early, whoever else needs it."""
    request_id = contextvars.ContextVar("request_id", default="none")
    request_id.set("of the caller")
    tasks = BackgroundTasks()

    async def seen() -> str:
        """Whose call it is."""
        return request_id.get()

    assert await tasks.start(seen()) == "none"
