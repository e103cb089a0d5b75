"""The `darkroom` command as a user runs it."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli.main import command_line

COMMANDS = (
    "up",
    "down",
    "solo",
    "generate",
    "batch",
    "train",
    "doctor",
    "config",
    "render",
    "cache",
    "scaling",
    "keys",
    "audit",
)


def darkroom(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own."""
    program = "from app.cli.main import main; main()"
    return subprocess.run([sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    """Every command has a help text."""
    result = CliRunner().invoke(command_line(), [command, "--help"])

    assert result.exit_code == 0
    assert "Usage" in result.output


def test_no_command_is_forgotten() -> None:
    """The list above is complete."""
    application = command_line()
    names = {command.name or command.callback.__name__ for command in application.registered_commands}
    names |= {group.name for group in application.registered_groups}

    assert names == set(COMMANDS)


def test_our_errors_are_one_line(tmp_path: Path) -> None:
    """A configuration that is not there is one line on the error stream and status 1, without a traceback."""
    done = darkroom("up", "--config", str(tmp_path / "absent.yaml"))

    assert done.returncode == 1
    assert done.stderr.startswith("Error: ")
    assert "absent.yaml" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_unwritable_file(tmp_path: Path, config: Path) -> None:
    """A file that cannot be opened is named, without a traceback."""
    done = darkroom("render", str(tmp_path / "absent" / "rayservice.yaml"), "--config", str(config))

    assert done.returncode == 1
    assert done.stderr.endswith("rayservice.yaml: No such file or directory\n")


def test_down_without_a_server(config: Path) -> None:
    """Stopping what does not run is an error that says so."""
    done = darkroom("down", "--config", str(config))

    assert done.returncode == 1
    assert "no server started by you" in done.stderr


def test_reference_on_standard_output() -> None:
    """The reference can be redirected into a file."""
    done = darkroom("config")

    assert done.returncode == 0
    assert done.stdout.startswith("# Configuration reference\n")
