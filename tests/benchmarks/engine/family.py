"""A process with everything that it started, on one core: its CPU time, its pauses, its end."""

import os
import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from app.cli import processes

ROOT = Path(__file__).resolve().parents[3]
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_ASKED_S = 30.0


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """What is started inside the block runs on that core, with all that it starts itself."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def environment(folder: Path, **more: str) -> Mapping[str, str]:
    """What every process of the benchmark is started with: one thread, our modules, its temporary files in `folder`."""
    return os.environ | {
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(folder),
        # Ray would run its replicas with low priority and report their use; BentoML would report its own.
        "RAY_worker_niceness": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "BENTOML_DO_NOT_TRACK": "1",
        "BENTOML_HOME": str(folder / "bentoml"),
        **more,
    }


class Family:
    """The process with this id and its descendants."""

    def __init__(self, pid: int) -> None:
        self._first = psutil.Process(pid)
        self._members = [self._first]

    def refresh(self) -> None:
        """Look for descendants anew; slow, so not while something is measured."""
        if processes.is_alive(self._first):
            self._members = processes.family(self._first.pid) or self._members

    @property
    def is_alive(self) -> bool:
        """Whether the first process still runs."""
        return processes.is_alive(self._first)

    def cpu_s(self) -> dict[int, float]:
        """CPU seconds by process id, ended children included in their parent's."""
        return {member.pid: used for member in self._members if (used := _cpu_s(member.pid)) is not None}

    def pause(self) -> None:
        """Halt all, the parents first, so that nobody notices a halted child."""
        self.refresh()
        _send(self._members, signal.SIGSTOP)

    def resume(self) -> None:
        """Let all go on, the parents last."""
        _send(self._members[::-1], signal.SIGCONT)

    def stop(self) -> None:
        """End all: ask the first, then whoever is left, then kill."""
        self.resume()
        self.refresh()
        processes.stop(self._members, asked_s=_ASKED_S)


def used_s(before: Mapping[int, float], after: Mapping[int, float]) -> float:
    """CPU seconds between two readings; a process that appeared between them counts from its start."""
    return sum(used - before.get(pid, 0.0) for pid, used in after.items())


def last_words(log: Path, lines: int = 20) -> str:
    """The end of a log file."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def _cpu_s(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
    except OSError:
        return None
    return sum(map(int, fields[11:15])) / _TICKS_PER_S


def _send(members: Sequence[psutil.Process], number: signal.Signals) -> None:
    for member in members:
        try:
            member.send_signal(number)
        except psutil.NoSuchProcess:
            continue
