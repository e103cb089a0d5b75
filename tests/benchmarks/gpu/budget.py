"""Spends a limited time on phases in their order, and says what there was no time for."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.gpu.sheets import Sheet

from app.errors import ConfigurationError


class Budget:
    """So many seconds from now on."""

    def __init__(self, total_s: float, *, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._total_s = total_s
        self._began_s = clock()

    @property
    def spent_s(self) -> float:
        """Seconds since the beginning."""
        return self._clock() - self._began_s

    @property
    def left_s(self) -> float:
        """Seconds that are left, never less than none."""
        return max(0.0, self._total_s - self.spent_s)

    def refusal(self, need_s: float) -> str | None:
        """Why work of so many seconds is not begun; None when there is time for it."""
        left_s = self.left_s
        return None if left_s >= need_s else f"needs about {need_s:.0f} s, {left_s:.0f} s are left"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A part of the benchmark that is not begun unless `need_s` seconds are left; what it finds comes in sheets."""

    name: str
    need_s: float
    work: Callable[[], Iterable[Sheet]]


class Listener(Protocol):
    """Hears at once what phases find, so that nothing is lost with a process that is ended."""

    def add(self, sheet: Sheet) -> None:
        """Something was found."""
        ...

    def measured(self, phase: str, seconds: float) -> None:
        """A phase has come to its end after so many seconds."""
        ...

    def skipped(self, phase: str, reason: str) -> None:
        """A phase was not begun, or cannot be measured here."""
        ...

    def failed(self, phase: str, error: Exception) -> None:
        """A phase broke off."""
        ...


def run_phases(phases: Sequence[Phase], budget: Budget, listener: Listener) -> None:
    """Measure one phase after the other; one that fails or does not fit into the time takes no other with it."""
    for phase in phases:
        refusal = budget.refusal(phase.need_s)
        if refusal is None:
            _run(phase, budget, listener)
        else:
            listener.skipped(phase.name, refusal)


def _run(phase: Phase, budget: Budget, listener: Listener) -> None:
    begun_s = budget.spent_s
    try:
        for sheet in phase.work():
            listener.add(sheet)
    except ConfigurationError as error:
        listener.skipped(phase.name, error.detail)
    except Exception as error:  # whatever breaks in one phase, the others have something to say
        listener.failed(phase.name, error)
    else:
        listener.measured(phase.name, budget.spent_s - begun_s)
