"""What an index of prompts promises."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
Stored = npt.NDArray[np.float16]


@dataclass(frozen=True, slots=True)
class Nominee:
    """A stored entry, and the cosine of the angle between its vector and the one asked for."""

    key: str
    similarity: float


class NominationIndex(Protocol):
    """Vectors by key, searched by direction. One thread at a time may write, while any number search.

    A search that runs beside a write sees the index before or after it. Vectors are kept as float16 of length one.
    """

    def put(self, key: str, vector: Vector) -> None:
        """Store the vector, in place of one under the same key; raises ValueError for one without a direction."""
        ...

    def remove(self, key: str) -> bool:
        """Forget the key; false when it was not there."""
        ...

    def nearest(self, vector: Vector, count: int) -> list[Nominee]:
        """Up to `count` entries, the most similar first."""
        ...

    def entries(self) -> Iterator[tuple[str, Stored]]:
        """Everything that is stored, for the one who writes."""
        ...

    @property
    def memory_bytes(self) -> int:
        """What the vectors and what finds them take; keys are not counted."""
        ...

    def __len__(self) -> int:
        """How many entries there are."""
        ...


class SavedIndex(NominationIndex, Protocol):
    """An index that can write what it has built, where building that anew takes long."""

    def save(self, path: Path) -> bool:
        """Write what was built to find `entries` to a file; false, and nothing is written, where there is no need."""
        ...

    def load(self, path: Path, keys: Sequence[str]) -> bool:
        """Be what `save` wrote when these were the keys of `entries`, in their order; the index is empty before.

        False, and still empty, when the file is not there, damaged, or of something else.
        """
        ...


def directed(vector: Vector) -> Vector:
    """The vector at length one; raises ValueError when it has no direction."""
    length = float(np.linalg.norm(vector))
    if not 0 < length < np.inf:
        raise ValueError("a vector without a direction is near to nothing")
    return (vector / length).astype(np.float32)


def stored(vector: Vector) -> Stored:
    """The vector as an index keeps it."""
    return directed(vector).astype(np.float16)
