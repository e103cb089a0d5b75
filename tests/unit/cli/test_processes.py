"""Families of processes: measured and stopped whole."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from app.cli import processes

CHILD = "import signal; print('up', flush=True); signal.pause()"
PARENT = f"import subprocess, sys; subprocess.Popen([sys.executable, '-c', {CHILD!r}]); {CHILD}"
DEAF_PARENT = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {PARENT}"


@pytest.fixture
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A process that belongs to no family of these tests."""
    process = subprocess.Popen([sys.executable, "-c", CHILD], stdout=subprocess.DEVNULL)
    yield process
    process.kill()
    process.wait()


@contextmanager
def family_of(program: str) -> Iterator[list[psutil.Process]]:
    """A running process and its running child; both are gone afterwards."""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        for _ in ("the process", "its child"):
            process.stdout.readline()
        family = processes.family(process.pid)
        try:
            yield family
        finally:
            processes.stop(family, orphaned_s=1)


@pytest.mark.parametrize("program", [PARENT, DEAF_PARENT], ids=["obedient", "deaf"])
def test_stop_ends_a_family_and_nothing_else(program: str, bystander: subprocess.Popen[bytes]) -> None:
    """A process and its child are gone after a stop, even if it ignores being asked; others go on."""
    with family_of(program) as family:
        processes.stop(family, asked_s=0.2, orphaned_s=0.2)

        assert len(family) == 2
        assert not any(processes.is_alive(process) for process in family)
        assert bystander.poll() is None


def test_family_of_nobody() -> None:
    """A process that is gone has no family."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()

    assert processes.family(process.pid) == []


def test_resident_bytes_count_everybody() -> None:
    """The memory of a family is that of its members together."""
    with family_of(PARENT) as family:
        alone = [processes.resident_bytes([process]) for process in family]

        assert len(alone) == 2
        assert all(each > 1_000_000 for each in alone)
        assert processes.resident_bytes(family) == pytest.approx(sum(alone), rel=0.1)


def test_resident_bytes_of_the_gone() -> None:
    """A process that ended meanwhile counts nothing."""
    with family_of(PARENT) as family:
        processes.stop(family, orphaned_s=1)

        assert processes.resident_bytes(family) == 0
