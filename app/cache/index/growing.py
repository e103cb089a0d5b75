"""The exact index while it is small, the graph once it is not."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from app.cache.index.contract import Nominee, SavedIndex, Stored, Vector
from app.cache.index.flat import FlatIndex
from app.cache.index.graph import GraphIndex

FLAT_UP_TO = 20_000


class GrowingIndex:
    """Moves from a FlatIndex to a GraphIndex for good when it has more than `flat_up_to` entries."""

    def __init__(self, dimensions: int, *, flat_up_to: int = FLAT_UP_TO) -> None:
        self._dimensions = dimensions
        self._flat_up_to = flat_up_to
        self._index: SavedIndex = FlatIndex(dimensions)

    def __len__(self) -> int:
        return len(self._index)

    @property
    def memory_bytes(self) -> int:
        """What the index in use takes."""
        return self._index.memory_bytes

    def put(self, key: str, vector: Vector) -> None:
        """Store the vector, in place of one under the same key; raises ValueError for one without a direction."""
        self._index.put(key, vector)
        if isinstance(self._index, FlatIndex) and len(self._index) > self._flat_up_to:
            self._grow()

    def remove(self, key: str) -> bool:
        """Forget the key; false when it was not there."""
        return self._index.remove(key)

    def nearest(self, vector: Vector, count: int) -> list[Nominee]:
        """Up to `count` entries, the most similar first."""
        return self._index.nearest(vector, count)

    def entries(self) -> Iterator[tuple[str, Stored]]:
        """Everything that is stored, for the one who writes."""
        return self._index.entries()

    def save(self, path: Path) -> bool:
        """Write the graph, where it is one."""
        return self._index.save(path)

    def load(self, path: Path, keys: Sequence[str]) -> bool:
        """Be the graph that was written."""
        graph = GraphIndex(self._dimensions)
        if not graph.load(path, keys):
            return False
        self._index = graph
        return True

    def _grow(self) -> None:
        graph = GraphIndex(self._dimensions)
        for key, vector in self._index.entries():
            graph.put(key, vector.astype(np.float32))
        self._index = graph
