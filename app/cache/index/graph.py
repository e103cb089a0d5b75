"""The approximate index: a graph of neighbours, whose search time hardly grows with its size."""

import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from usearch.index import Index

from app.cache.index.contract import Nominee, Stored, Vector, directed, stored
from app.cache.index.sealing import seal, unseal

_CONNECTIVITY = 16
_EXPANSION_ADD = 128
_EXPANSION_SEARCH = 96
_MAX_REMOVED_SHARE = 0.3
_FEW = 64


class _Graph:
    """One graph and the keys of its nodes.

    Only one thread at a time is inside: usearch has been known to lose entries when it is searched while it changes.
    """

    def __init__(self, dimensions: int) -> None:
        self.dimensions = dimensions
        self.index = Index(
            ndim=dimensions,
            metric="ip",
            dtype="f16",
            connectivity=_CONNECTIVITY,
            expansion_add=_EXPANSION_ADD,
            expansion_search=_EXPANSION_SEARCH,
        )
        self.keys: dict[int, str] = {}
        self.removed = 0
        self._next = 0
        self._inside = threading.Lock()

    def add(self, key: str, vector: Stored) -> int:
        with self._inside:
            node = self._next
            self._next += 1
            self.index.add(node, vector, threads=1)
            self.keys[node] = key
            return node

    def remove(self, node: int) -> None:
        with self._inside:
            self.index.remove(node)
            del self.keys[node]
            self.removed += 1

    def search(self, vector: Vector, count: int) -> list[Nominee]:
        with self._inside:
            if not self.keys:
                return []
            matches = self.index.search(vector.astype(np.float16), count, threads=1)
            pairs = zip(matches.keys, matches.distances, strict=True)
            return [Nominee(self.keys[int(node)], 1 - float(distance)) for node, distance in pairs]

    def vector(self, node: int) -> Stored:
        with self._inside:
            return np.asarray(self.index.get(node), dtype=np.float16).reshape(-1)

    def save(self, path: Path, nodes: Iterable[int]) -> None:
        with self._inside:
            self.index.save(path)
            seal(path, (self._next, self.removed, *nodes))

    def load(self, path: Path, keys: Sequence[str]) -> dict[str, int]:
        """The nodes of the keys; raises ValueError when it is another graph."""
        self._next, self.removed, *nodes = unseal(path)
        self.index.load(path)
        if self.index.ndim != self.dimensions or len({*nodes}) != len(self.index) or len(nodes) != len(keys):
            raise ValueError("a graph of something else")
        self.keys = dict(zip(nodes, keys, strict=True))
        return dict(zip(keys, nodes, strict=True))


class GraphIndex:
    """Keeps vectors in a graph of usearch, and builds it anew when too much of it is removed."""

    def __init__(self, dimensions: int) -> None:
        self._dimensions = dimensions
        self._graph = _Graph(dimensions)
        self._nodes: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._nodes)

    @property
    def memory_bytes(self) -> int:
        """What the graph takes, its vectors and removed nodes included."""
        return int(self._graph.index.memory_usage)

    def put(self, key: str, vector: Vector) -> None:
        """Store the vector, in place of one under the same key; raises ValueError for one without a direction."""
        kept = stored(vector)
        before = self._nodes.get(key)
        self._nodes[key] = self._graph.add(key, kept)
        if before is not None:
            self._drop(before)

    def remove(self, key: str) -> bool:
        """Forget the key; false when it was not there."""
        node = self._nodes.pop(key, None)
        if node is not None:
            self._drop(node)
        return node is not None

    def nearest(self, vector: Vector, count: int) -> list[Nominee]:
        """Up to `count` entries, the most similar first."""
        found: dict[str, Nominee] = {}
        for nominee in self._graph.search(directed(vector), 2 * count):
            found.setdefault(nominee.key, nominee)
        return list(found.values())[:count]

    def entries(self) -> Iterator[tuple[str, Stored]]:
        """Everything that is stored, for the one who writes."""
        graph = self._graph
        return ((key, graph.vector(node)) for key, node in list(self._nodes.items()))

    def save(self, path: Path) -> bool:
        """Write the graph."""
        self._graph.save(path, self._nodes.values())
        return True

    def load(self, path: Path, keys: Sequence[str]) -> bool:
        """Be the graph that was written, which is as fast as reading it."""
        graph = _Graph(self._dimensions)
        try:
            self._nodes = graph.load(path, keys)
        except (ValueError, RuntimeError):
            return False
        self._graph = graph
        return True

    def _drop(self, node: int) -> None:
        self._graph.remove(node)
        if self._graph.removed > max(_FEW, _MAX_REMOVED_SHARE * (len(self._nodes) + self._graph.removed)):
            self._rebuild()

    def _rebuild(self) -> None:
        """Readers stay with the old graph until the new one is complete."""
        graph = _Graph(self._dimensions)
        self._nodes = {key: graph.add(key, vector) for key, vector in self.entries()}
        self._graph = graph
