"""`darkroom up` and a server that dies in service."""

import asyncio
import io
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from rich.console import Console

from app.cli import processes
from app.cli.environment import is_free
from app.cli.session import Sessions
from app.cli.up import Opening, serve
from app.config import load_settings

FAKE = Path(__file__).parents[2] / "fake_darkroom.py"
SERVE = Opening(first_picture=None, prompt="", background=False)


class Screen(io.StringIO):
    """A terminal before which one can wait for words."""

    def __init__(self) -> None:
        super().__init__()
        self._written = asyncio.Event()

    def write(self, text: str) -> int:
        """Take the text."""
        self._written.set()
        return super().write(text)

    async def until(self, words: str) -> None:
        """Wait until the words have been written."""
        while words not in self.getvalue():
            self._written.clear()
            await self._written.wait()


def servers() -> list[psutil.Process]:
    """The fake servers that run now, and were started by this process."""
    children = psutil.Process().children()
    return [child for child in children if processes.is_alive(child) and str(FAKE) in child.cmdline()]


@asynccontextmanager
async def up(config: Path, folder: Path) -> AsyncIterator[Screen]:
    """The command in the foreground, cancelled with the block."""
    screen = Screen()
    sessions = Sessions(folder / "run", temporary=folder, command=[sys.executable, str(FAKE), "warm"])
    work = serve(config, SERVE, sessions=sessions, console=Console(file=screen, width=200))
    task = asyncio.create_task(work)
    await screen.until("Press Ctrl-C")
    yield screen
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_server_that_dies_is_started_again(config: Path, tmp_path: Path) -> None:
    """What it left is stopped, why it ended is said, and another takes its place, until the command is cancelled."""
    async with up(config, tmp_path) as screen:
        (first,) = servers()
        orphans = first.children()
        first.kill()
        await screen.until("ready again")
        (second,) = servers()

    assert second.pid != first.pid
    assert "the server ended with status -9" in screen.getvalue()
    assert not any(map(processes.is_alive, orphans))
    assert is_free(load_settings(config).server.port)
    assert not servers()
