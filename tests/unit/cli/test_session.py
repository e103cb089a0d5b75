"""Sessions: begun, remembered in the background, stopped by a later command."""

import sys
from collections.abc import Callable
from pathlib import Path
from socket import socket

import pytest

from app.cli import processes
from app.cli.session import Session, Sessions
from app.config import load_settings
from app.errors import ConfigurationError

Begin = Callable[[str], Session]


def test_taken_port(config: Path, tmp_path: Path) -> None:
    """A port on which somebody listens is named before anything is started."""
    settings = load_settings(config)
    with socket() as listener:
        listener.bind(("", settings.server.port))
        listener.listen()

        with pytest.raises(ConfigurationError, match=f"port {settings.server.port} is taken"):
            Sessions(tmp_path / "run", temporary=tmp_path, command=[sys.executable]).begin(config, settings)


def test_stop_in_the_background(begin: Begin, config: Path, tmp_path: Path) -> None:
    """A remembered server is stopped by whoever knows its port, once."""
    session = begin("warm")
    session.remember()
    port = load_settings(config).server.port
    server = session.server.family[0]

    assert Sessions(tmp_path / "run").stop(port)
    assert not processes.is_alive(server)
    assert not Sessions(tmp_path / "run").stop(port)


def test_stop_what_was_not_begun(tmp_path: Path) -> None:
    """Where nothing was remembered there is nothing to stop."""
    assert not Sessions(tmp_path / "run").stop(8000)


def test_stranger_with_the_same_process_id(begin: Begin, config: Path, tmp_path: Path) -> None:
    """A process that was created at another time than the remembered one is left alone."""
    session = begin("warm")
    session.remember()
    port = load_settings(config).server.port
    memory = tmp_path / "run" / f"{port}.json"
    memory.write_text(memory.read_text().replace('"created_s": 1', '"created_s": 2'))

    assert not Sessions(tmp_path / "run").stop(port)
    assert processes.is_alive(session.server.family[0])


def test_logs_are_kept_on_request(begin: Begin) -> None:
    """Ray's folder goes with the session, unless its logs are wanted."""
    session = begin("warm")

    session.end(keep_logs=True)
    assert session.folder.is_dir()

    session.end(keep_logs=False)
    assert not session.folder.exists()
