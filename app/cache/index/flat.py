"""The exact index: every vector is compared, which is fast enough for some ten thousand."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from app.cache.index.contract import Nominee, Stored, Vector, directed, stored

_FIRST_ROWS = 64
_MAX_DEAD_SHARE = 0.3


class _Rows:
    """Rows that are only ever appended to and marked dead, so that readers need no lock.

    A row is complete before `count` covers it; whatever needs rows to move makes new rows.
    """

    def __init__(self, dimensions: int, capacity: int) -> None:
        self.matrix = np.zeros((capacity, dimensions), dtype=np.float32)
        self.alive = np.zeros(capacity, dtype=np.bool_)
        self.keys: list[str] = []
        self.count = 0

    @property
    def is_full(self) -> bool:
        return self.count == len(self.matrix)

    def append(self, key: str, vector: Stored) -> int:
        row = self.count
        self.matrix[row] = vector
        self.alive[row] = True
        self.keys.append(key)
        self.count = row + 1
        return row


class FlatIndex:
    """Keeps all vectors in one matrix and multiplies."""

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._rows = _Rows(dimensions, _FIRST_ROWS)
        self._places: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._places)

    @property
    def memory_bytes(self) -> int:
        """What the matrix takes, its spare rows included."""
        return self._rows.matrix.nbytes + self._rows.alive.nbytes

    def put(self, key: str, vector: Vector) -> None:
        """Store the vector, in place of one under the same key; raises ValueError for one without a direction."""
        kept = stored(vector)
        if self._rows.is_full:
            self._move()
        before = self._places.get(key)
        self._places[key] = self._rows.append(key, kept)
        if before is not None:
            self._rows.alive[before] = False

    def remove(self, key: str) -> bool:
        """Forget the key; false when it was not there."""
        place = self._places.pop(key, None)
        if place is None:
            return False
        self._rows.alive[place] = False
        if self._rows.count - len(self._places) > max(_FIRST_ROWS, _MAX_DEAD_SHARE * self._rows.count):
            self._move()
        return True

    def nearest(self, vector: Vector, count: int) -> list[Nominee]:
        """Up to `count` entries, the most similar first."""
        rows = self._rows
        known = rows.count
        similarity = rows.matrix[:known] @ directed(vector)
        similarity[~rows.alive[:known]] = -np.inf
        found: dict[str, Nominee] = {}
        for row in _largest(similarity, 2 * count):
            key = rows.keys[row]
            found.setdefault(key, Nominee(key, float(similarity[row])))
        return list(found.values())[:count]

    def entries(self) -> Iterator[tuple[str, Stored]]:
        """Everything that is stored, for the one who writes."""
        rows = self._rows
        return ((key, rows.matrix[place].astype(np.float16)) for key, place in list(self._places.items()))

    def save(self, path: Path) -> bool:
        """False: a matrix is built as fast as it is read."""
        return False

    def load(self, path: Path, keys: Sequence[str]) -> bool:
        """False."""
        return False

    def _move(self) -> None:
        rows = _Rows(self._dimensions, max(_FIRST_ROWS, 2 * len(self._places)))
        self._places = {key: rows.append(key, vector) for key, vector in self.entries()}
        self._rows = rows


def _largest(values: Vector, count: int) -> list[int]:
    """The places of the largest values that are not minus infinity, the largest first."""
    few = np.argpartition(-values, count)[:count] if len(values) > count else np.arange(len(values))
    return [int(place) for place in few[np.argsort(-values[few], kind="stable")] if values[place] != -np.inf]
