"""What every training stage is given and what it may rely on."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from time import monotonic
from typing import Protocol


@dataclass(frozen=True)
class Progress:
    """How far a stage has come, as a share of its budget, and its latest measurements."""

    stage: str
    step: int
    share: float
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Budget:
    """When a stage ends: after wall-clock minutes or, reproducibly, after a number of steps."""

    minutes: float = 1.0
    steps: int | None = None

    def share(self, step: int, spent_s: float) -> float:
        """The part of the budget used, from 0 to 1."""
        used = step / self.steps if self.steps else spent_s / (60 * self.minutes)
        return min(1.0, used)


@dataclass(frozen=True)
class StageContext:
    """A stage's folder for resumable checkpoints, its seed, budget, progress listener and torch device."""

    folder: Path
    seed: int
    budget: Budget
    report: Callable[[Progress], None] = lambda progress: None
    checkpoint_every_s: float = 180.0
    device: str = "cpu"


class Stage(Protocol):
    """One part of the training; running it again resumes from its last checkpoint or returns at once."""

    name: str

    def run(self, context: StageContext) -> None:
        """Train to the end of the budget, leaving the results in the context's folder."""
        ...


class Stopwatch:
    """Counts the wall-clock seconds a stage has spent, over all its interruptions."""

    def __init__(self, spent_s: float = 0.0, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._origin = clock() - spent_s

    @property
    def spent_s(self) -> float:
        """Seconds since the stage first began, without the pauses between its runs."""
        return self._clock() - self._origin
