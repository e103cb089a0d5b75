"""What a device did, written by the one process that owns the model and read by the benchmark while it runs."""

import mmap
import os
from dataclasses import dataclass
from pathlib import Path

VARIABLE = "ENGINE_BENCH_LEDGER"
_FIELDS = ("samples", "steps", "pictures", "device_s")
_BYTES = 8 * len(_FIELDS)


@dataclass(frozen=True, slots=True)
class Work:
    """What was done: steps of single samples, steps of batches, decoded pictures, CPU seconds of the device thread."""

    samples: float = 0.0
    steps: float = 0.0
    pictures: float = 0.0
    device_s: float = 0.0

    def since(self, before: "Work") -> "Work":
        """The work done after `before`."""
        return Work(*(getattr(self, name) - getattr(before, name) for name in _FIELDS))

    @property
    def mean_batch(self) -> float:
        """Samples in the average step; zero when there was none."""
        return self.samples / self.steps if self.steps else 0.0


class Ledger:
    """Four sums in a small shared file."""

    def __init__(self, path: Path) -> None:
        handle = os.open(path, os.O_RDWR | os.O_CREAT)
        os.ftruncate(handle, _BYTES)
        self._sums = memoryview(mmap.mmap(handle, _BYTES)).cast("d")
        os.close(handle)

    @classmethod
    def of_environment(cls) -> "Ledger":
        """The ledger that the benchmark told this process to keep; raises KeyError when it told none."""
        return cls(Path(os.environ[VARIABLE]))

    def add(self, *, samples: int = 0, steps: int = 0, pictures: int = 0, device_s: float = 0.0) -> None:
        """Count work that was done."""
        for place, amount in enumerate((samples, steps, pictures, device_s)):
            self._sums[place] += amount

    @property
    def work(self) -> Work:
        """All that was ever counted."""
        return Work(*self._sums)
