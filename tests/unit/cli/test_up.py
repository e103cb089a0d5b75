"""`darkroom up` from start to stop, with a server that has no Ray in it."""

import asyncio
import io
import sys
from pathlib import Path

import pytest
from rich.console import Console

from app.cli.environment import is_free
from app.cli.session import Sessions
from app.cli.up import Opening, serve
from app.config import load_settings
from app.errors import ConfigurationError

FAKE = Path(__file__).parents[2] / "fake_darkroom.py"
STAY = Opening(first_picture=None, prompt="", background=True)
SERVE = Opening(first_picture=None, prompt="", background=False)


class Screen(io.StringIO):
    """A terminal that knows when a word has been written to it."""

    def __init__(self, word: str) -> None:
        super().__init__()
        self._word = word
        self.shown = asyncio.Event()

    def write(self, text: str) -> int:
        """Take the text, and notice the word."""
        if self._word in text:
            self.shown.set()
        return super().write(text)


def sessions_in(folder: Path, mode: str) -> Sessions:
    """Sessions whose servers are fakes."""
    return Sessions(folder / "run", temporary=folder, command=[sys.executable, str(FAKE), mode])


async def test_background(config: Path, tmp_path: Path) -> None:
    """In the background the command ends when the server is warm, and a later command can stop it."""
    sessions, screen = sessions_in(tmp_path, "warm"), Screen("darkroom down")

    await serve(config, STAY, sessions=sessions, console=Console(file=screen, width=120))

    port = load_settings(config).server.port
    assert "Starting Ray" in screen.getvalue()
    assert f"Darkroom is ready at http://127.0.0.1:{port}" in screen.getvalue()
    assert "resident in 2 processes" in screen.getvalue()
    assert sessions.stop(port)


async def test_foreground_until_cancelled(config: Path, tmp_path: Path) -> None:
    """In the foreground the server lives until the command is cancelled, and no longer."""
    screen = Screen("Press Ctrl-C")
    console = Console(file=screen, width=120)
    task = asyncio.create_task(serve(config, SERVE, sessions=sessions_in(tmp_path, "warm"), console=console))
    await screen.shown.wait()
    port = load_settings(config).server.port
    was_free = is_free(port)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert not was_free
    assert is_free(port)


async def test_broken_start(config: Path, tmp_path: Path) -> None:
    """A server that fails to start is an error with its reason."""
    with pytest.raises(ConfigurationError, match="the model does not load"):
        await serve(config, SERVE, sessions=sessions_in(tmp_path, "broken"), console=Console(file=io.StringIO()))
