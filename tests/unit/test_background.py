"""BackgroundTasks: nothing that was started is forgotten."""

import asyncio
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
