"""`darkroom up` from start to stop, with a server that has no Ray in it."""

import asyncio
import io
import sys
from dataclasses import replace
from pathlib import Path
from socket import socket

import pytest
from rich.console import Console

from app.cli.certificates import local_certificates
from app.cli.environment import free_ports, is_free
from app.cli.security import Security, security_of
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


@pytest.fixture
def security(tmp_path: Path) -> Security:
    """Certificates of a new authority."""
    return Security(local_certificates("127.0.0.1", folder=tmp_path / "tls"), tunnel_port=None)


async def test_over_tls(config: Path, tmp_path: Path, security: Security) -> None:
    """A server with certificates is waited for over https, and the environment for fal-client is printed."""
    sessions, screen = sessions_in(tmp_path, "warm"), Screen("darkroom down")
    console = Console(file=screen, width=200)

    await serve(config, STAY, sessions=sessions, console=console, security=security)

    port = load_settings(config).server.port
    assert f"Darkroom is ready at https://127.0.0.1:{port}" in screen.getvalue()
    assert f"export FAL_RUN_HOST=127.0.0.1:{port}/run FAL_QUEUE_RUN_HOST=127.0.0.1:{port}/queue" in screen.getvalue()
    assert f"export SSL_CERT_FILE={security.certificates.bundle}" in screen.getvalue()
    assert "RUN_URL_FORMAT" not in screen.getvalue()
    assert sessions.stop(port)


async def test_a_tunnel_is_told_to_the_server_and_to_the_user(config: Path, tmp_path: Path, security: Security) -> None:
    """The port for tunnels is in what is printed, and on the server's command line."""
    (port,) = free_ports(1)
    tunnelled = replace(security, tunnel_port=port)
    sessions, screen = sessions_in(tmp_path, "warm"), Screen("darkroom down")

    await serve(config, STAY, sessions=sessions, console=Console(file=screen, width=200), security=tunnelled)
    sessions.stop(load_settings(config).server.port)

    assert f"export HTTPS_PROXY=http://127.0.0.1:{port}" in screen.getvalue()
    assert tunnelled.arguments[-2:] == ["--tunnel-port", str(port)]


async def test_a_taken_tunnel_port(config: Path, tmp_path: Path, security: Security) -> None:
    """A port for tunnels on which somebody listens is named before anything is started."""
    with socket() as listener:
        listener.bind(("", 0))
        listener.listen()
        taken = replace(security, tunnel_port=listener.getsockname()[1])
        with pytest.raises(ConfigurationError, match="name another --tunnel-port"):
            await serve(config, STAY, sessions=sessions_in(tmp_path, "warm"), console=Console(), security=taken)


def test_a_tunnel_needs_tls(config: Path) -> None:
    """Nobody is offered a tunnel to a server that does not encrypt."""
    with pytest.raises(ConfigurationError, match="needs --tls"):
        security_of(load_settings(config), tls=False, tunnel_port=8888)
