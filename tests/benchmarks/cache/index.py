"""The nomination index at 10,000 and 100,000 entries: what it finds, how soon, and what it takes; `--million` for more.

Vectors are drawn as prompts lie: around many centres. A query is a stored vector moved a little; recall@1 is the share
of queries whose nominee is as near as the nearest of all entries.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from app.cache.index import DurableIndex, FlatIndex, GraphIndex, NominationIndex

DIMENSIONS = 384
QUERIES = 500
DELETIONS = 500
TOLERANCE = 1e-3  # of a cosine: what float16 rounds

Vectors = np.ndarray


def drawn(count: int, rng: np.random.Generator) -> Vectors:
    """Directions around one centre per hundred of them."""
    centres = rng.standard_normal((max(1, count // 100), DIMENSIONS)).astype(np.float32)
    vectors = centres[rng.integers(len(centres), size=count)]
    vectors += 0.7 * rng.standard_normal((count, DIMENSIONS)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def timed_ms(work: Callable[[], object]) -> float:
    """How long the work takes."""
    started_s = time.perf_counter()
    work()
    return (time.perf_counter() - started_s) * 1000


def measured(index: NominationIndex, vectors: Vectors, rng: np.random.Generator) -> list[str]:
    """One row of the table."""
    insert_ms = timed_ms(lambda: [index.put(str(number), vector) for number, vector in enumerate(vectors)])
    asked = vectors[rng.integers(len(vectors), size=QUERIES)]
    asked = asked + 0.01 * rng.standard_normal(asked.shape).astype(np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    found: list[float] = []

    def search(query: Vectors) -> None:
        found.append(index.nearest(query, 1)[0].similarity)

    search_ms = [timed_ms(partial(search, query)) for query in asked]
    best = np.array([(vectors @ query).max() for query in asked])
    recall = float(np.mean(np.array(found) >= best - TOLERANCE))
    delete_ms = timed_ms(lambda: [index.remove(str(number)) for number in range(DELETIONS)])
    return [
        f"{insert_ms / len(vectors):.3f}",
        f"{np.percentile(search_ms, 50):.2f}",
        f"{np.percentile(search_ms, 99):.2f}",
        f"{recall:.3f}",
        f"{delete_ms / DELETIONS * 1000:.0f}",
        f"{index.memory_bytes / 1e6:.0f}",
    ]


def persisted(vectors: Vectors) -> list[str]:
    """How long a snapshot of so many entries and its reading back into an exact index take, and its size."""
    with tempfile.TemporaryDirectory() as folder:
        index = DurableIndex(Path(folder), FlatIndex(DIMENSIONS), changes_before_snapshot=len(vectors) + 1)
        for number, vector in enumerate(vectors):
            index.put(str(number), vector)
        snapshot_ms = timed_ms(index.snapshot)
        index.close()
        size = sum(path.stat().st_size for path in Path(folder).iterdir())
        opened: list[DurableIndex] = []
        reload_ms = timed_ms(lambda: opened.append(DurableIndex(Path(folder), FlatIndex(DIMENSIONS))))
        opened[0].close()
        return [f"{snapshot_ms / 1000:.1f}", f"{reload_ms / 1000:.1f}", f"{size / 1e6:.0f}", str(len(opened[0]))]


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--million", action="store_true", help="also a million entries in the graph; hours")
    sizes = [10_000, 100_000] + ([1_000_000] if arguments.parse_args().million else [])
    rng = np.random.default_rng(0)
    searched = Table("entries", "index", "insert ms", "search p50 ms", "p99 ms", "recall@1", "delete µs", "MB")
    kept = Table("entries", "snapshot s", "reload s", "MB", "entries read back")
    for size in sizes:
        vectors = drawn(size, rng)
        for index in (FlatIndex(DIMENSIONS), GraphIndex(DIMENSIONS)):
            if size <= 100_000 or isinstance(index, GraphIndex):
                searched.add_row(f"{size:,}", type(index).__name__, *measured(index, vectors, rng))
        if size <= 100_000:
            kept.add_row(f"{size:,}", *persisted(vectors))
    console = Console(width=120)
    console.print(searched)
    console.print(kept)


if __name__ == "__main__":
    main()
