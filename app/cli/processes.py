"""A process with everything that it started: how much memory it holds, and how it is stopped."""

import time
from collections.abc import Callable, Sequence
from typing import Any

import psutil

ASKED_S = 60.0
ORPHANED_S = 10.0
FAREWELL_S = 1.0
POLL_S = 0.05


def family(pid: int) -> list[psutil.Process]:
    """The process and its descendants, itself first; empty when it is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def resident_bytes(processes: Sequence[psutil.Process]) -> int:
    """Memory that these processes hold together, in bytes; pages they share are counted once."""
    return sum(_proportional_bytes(process) for process in processes)


def stop(processes: Sequence[psutil.Process], *, asked_s: float = ASKED_S, orphaned_s: float = ORPHANED_S) -> None:
    """Stop a family, and nothing else.

    The first process is asked alone, so that it can stop the others in order, and has
    `asked_s` seconds for it; who is left then is asked too, and killed `orphaned_s` later.
    """
    _signal(processes[:1], psutil.Process.terminate)
    _wait(processes[:1], timeout_s=asked_s)
    left = _wait(processes, timeout_s=FAREWELL_S)
    _signal(left, psutil.Process.terminate)
    kill(_wait(left, timeout_s=orphaned_s), patience_s=orphaned_s)


def kill(processes: Sequence[psutil.Process], *, patience_s: float = ORPHANED_S) -> None:
    """End processes without asking, and wait `patience_s` seconds at most until they are gone."""
    _signal(processes, psutil.Process.kill)
    _wait(processes, timeout_s=patience_s)


def is_alive(process: psutil.Process) -> bool:
    """Whether the process still does anything; one that ended and was not yet collected does not."""
    try:
        return bool(process.is_running()) and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _wait(processes: Sequence[psutil.Process], *, timeout_s: float) -> list[psutil.Process]:
    """Who is still alive when all have ended or the time is up."""
    deadline_s = time.monotonic() + timeout_s
    while (alive := [process for process in processes if is_alive(process)]) and time.monotonic() < deadline_s:
        time.sleep(POLL_S)
    return alive


def _signal(processes: Sequence[psutil.Process], send: Callable[[psutil.Process], Any]) -> None:
    for process in processes:
        try:
            send(process)
        except psutil.NoSuchProcess:
            continue


def _proportional_bytes(process: psutil.Process) -> int:
    try:
        return int(process.memory_full_info().pss)
    except psutil.NoSuchProcess:
        return 0
