"""What a piece of work takes, learnt from what it took: seconds, effort and bytes by shape and batch size."""

import statistics
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from app.generation import BatchKey

WINDOW = 15
SHORTAGE_MARGIN = 1.05
# What is not used is not measured, and what was measured badly would never be used again: so often it is tried anew.
STALE_AFTER = 64


class Shape(NamedTuple):
    """What the costs of a variant depend on beside the size of the batch; `width` and `height` are native pixels."""

    stage: str
    width: int
    height: int

    @property
    def pixels(self) -> int:
        """The area of one picture."""
        return self.width * self.height


def step_of(key: BatchKey) -> Shape:
    """The shape of a denoising step of jobs with that key; LoRAs make it another."""
    return Shape(f"step with {len(key.loras)} LoRAs" if key.loras else "step", key.width, key.height)


class _Samples:
    """The latest measurements of one quantity at one shape, by batch size."""

    def __init__(self) -> None:
        self._recent: defaultdict[int, deque[float]] = defaultdict(lambda: deque(maxlen=WINDOW))
        self._medians: dict[int, float] = {}
        self._last: dict[int, int] = {}
        self._added = 0

    def add(self, batch: int, value: float) -> None:
        self._added += 1
        self._last[batch] = self._added
        recent = self._recent[batch]
        recent.append(value)
        self._medians[batch] = statistics.median(recent)

    def is_stale(self, batch: int) -> bool:
        return self._added - self._last.get(batch, -STALE_AFTER) >= STALE_AFTER

    def forget_from(self, batch: int) -> None:
        for known in [known for known in self._medians if known >= batch]:
            del self._medians[known], self._recent[known]

    def at(self, batch: int) -> float | None:
        """The median at that size; between known sizes a straight line, beyond them its continuation."""
        if batch in self._medians:
            return self._medians[batch]
        known = sorted(self._medians)
        if len(known) < 2:
            return None
        place = min(max(bisect_left(known, batch), 1), len(known) - 1)
        low, high = known[place - 1], known[place]
        slope = max(0.0, (self._medians[high] - self._medians[low]) / (high - low))
        anchor = high if batch > high else low
        return max(0.0, self._medians[anchor] + slope * (batch - anchor))

    def to_json(self) -> dict[str, list[float]]:
        return {str(batch): list(recent) for batch, recent in self._recent.items()}

    @classmethod
    def of(cls, saved: Mapping[str, Sequence[float]]) -> "_Samples":
        samples = cls()
        for batch, values in saved.items():
            for value in values:
                samples.add(int(batch), float(value))
        return samples


class CostModel:
    """Predicts time, effort and memory of one variant's work from the medians of what was measured.

    Effort is time without what else runs on the machine. That disturbs different batch sizes at
    different times, so that their times say little about which of them is the better deal.

    A shape never seen is scaled by area from the seen one of the same stage that is nearest in
    area. What cannot be derived is None: two batch sizes have to be known before a third is.
    """

    def __init__(self) -> None:
        self._seconds: dict[Shape, _Samples] = {}
        self._efforts: dict[Shape, _Samples] = {}
        self._bytes: dict[Shape, _Samples] = {}

    def observe(self, shape: Shape, batch: int, seconds: float) -> float | None:
        """Learn from one measurement, zero where the clock was set back; returns what had been predicted for it."""
        seconds = max(0.0, seconds)
        predicted_s = self.seconds(shape, batch)
        self._seconds.setdefault(shape, _Samples()).add(batch, seconds)
        return predicted_s

    def observe_effort(self, shape: Shape, batch: int, seconds: float) -> None:
        """Learn what the work would have taken on a machine of its own."""
        self._efforts.setdefault(shape, _Samples()).add(batch, max(0.0, seconds))

    def observe_bytes(self, shape: Shape, batch: int, needed: float) -> None:
        """Learn that the work needed so many bytes beyond what was there before it."""
        self._bytes.setdefault(shape, _Samples()).add(batch, needed)

    def learn_shortage(self, shape: Shape, batch: int, free: int) -> None:
        """Remember that so many free bytes were too few for the work, whatever was measured before.

        What is free goes up and down a little at every step, so that a little more is not taken for enough.
        """
        samples = self._bytes.setdefault(shape, _Samples())
        samples.forget_from(batch)
        samples.add(batch, free * SHORTAGE_MARGIN)

    def seconds(self, shape: Shape, batch: int) -> float | None:
        """How long the work will take."""
        return _predicted(self._seconds, shape, batch)

    def effort(self, shape: Shape, batch: int) -> float | None:
        """How many seconds the work would take on a machine of its own."""
        return _predicted(self._efforts, shape, batch)

    def bytes(self, shape: Shape, batch: int) -> float | None:
        """How much memory the work will need while it runs."""
        return _predicted(self._bytes, shape, batch)

    def knows(self, shape: Shape, batch: int) -> bool:
        """Whether this very work has been measured."""
        return shape in self._seconds and batch in self._seconds[shape]._medians

    def is_stale(self, shape: Shape, batch: int) -> bool:
        """Whether the work was never measured, or not among the latest of its shape."""
        return shape not in self._seconds or self._seconds[shape].is_stale(batch)

    def to_json(self) -> dict[str, Any]:
        """Everything learnt, as plain values."""
        return {"seconds": _saved(self._seconds), "efforts": _saved(self._efforts), "bytes": _saved(self._bytes)}

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> "CostModel":
        """The model that `to_json` described; raises ValueError, KeyError or TypeError when it is none."""
        model = cls()
        model._seconds, model._efforts, model._bytes = (_table(saved[name]) for name in ("seconds", "efforts", "bytes"))
        return model


def _predicted(table: Mapping[Shape, _Samples], shape: Shape, batch: int) -> float | None:
    if shape in table:
        return table[shape].at(batch)
    alike = [known for known in table if known.stage == shape.stage]
    if not alike:
        return None
    nearest = min(alike, key=lambda known: abs(known.pixels - shape.pixels))
    there = table[nearest].at(batch)
    return None if there is None else there * shape.pixels / nearest.pixels


def _table(saved: Sequence[Any]) -> dict[Shape, _Samples]:
    return {Shape(*shape): _Samples.of(values) for shape, values in saved}


def _saved(table: Mapping[Shape, _Samples]) -> list[tuple[Shape, dict[str, list[float]]]]:
    return [(shape, samples.to_json()) for shape, samples in table.items()]
