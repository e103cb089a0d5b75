"""The nomination index at 10,000 and 100,000 entries: what it finds, how soon, and what it takes; `--million` for more.

Vectors are drawn as prompts lie: around many centres. A query is a stored vector moved a little; recall@1 is the share
of queries whose nominee is as near as the nearest of all entries. Every change goes through the journal; then there is
a snapshot, from which a new index is read. The processor's time of the one thread is counted, searches in wall time.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import psutil
from rich.console import Console
from rich.progress import track
from rich.table import Table

from app.cache.index import DurableIndex, FlatIndex, GraphIndex, NominationIndex, SavedIndex

DIMENSIONS = 384
QUERIES = 500
DELETIONS = 500
BLOCK = 10_000
FLAT_UP_TO = 100_000
TOLERANCE = 1e-3  # of a cosine: what float16 rounds
COLUMNS = (
    "entries", "index", "insert ms", "search p50 ms", "p99 ms", "recall@1", "delete µs", "MB", "snapshot s", "MB",
    "reload s", "read back", "process MB",
)  # fmt: skip

Vectors = np.ndarray


def drawn(count: int, rng: np.random.Generator) -> Vectors:
    """Directions around one centre per hundred of them."""
    centres = rng.standard_normal((max(1, count // 100), DIMENSIONS), dtype=np.float32)
    vectors = np.empty((count, DIMENSIONS), dtype=np.float32)
    for block in blocks(vectors):
        block[:] = centres[rng.integers(len(centres), size=len(block))]
        block += np.float32(0.7) * rng.standard_normal(block.shape, dtype=np.float32)
        block /= np.linalg.norm(block, axis=1, keepdims=True)
    return vectors


def blocks(vectors: Vectors) -> Iterator[Vectors]:
    """The rows in parts that fit well into memory."""
    return (vectors[start : start + BLOCK] for start in range(0, len(vectors), BLOCK))


def timed_ms(work: Callable[[], object], clock: Callable[[], float] = time.process_time) -> float:
    """How long the work takes."""
    started_s = clock()
    work()
    return (clock() - started_s) * 1000


def fill(index: NominationIndex, vectors: Vectors, label: str) -> None:
    """Insert all, named by their number."""
    for number, vector in enumerate(track(vectors, description=label, console=Console(stderr=True))):
        index.put(str(number), vector)


def near(vectors: Vectors, rng: np.random.Generator) -> tuple[Vectors, Vectors]:
    """Queries that are stored vectors moved a little, and the similarity of what is nearest to each."""
    asked = vectors[rng.integers(len(vectors), size=QUERIES)]
    asked = asked + np.float32(0.01) * rng.standard_normal(asked.shape, dtype=np.float32)
    asked /= np.linalg.norm(asked, axis=1, keepdims=True)
    best = np.full(QUERIES, -1.0, dtype=np.float32)
    for block in blocks(vectors):
        np.maximum(best, (block @ asked.T).max(axis=0), out=best)
    return asked, best


def measured(kind: Callable[[int], SavedIndex], vectors: Vectors, rng: np.random.Generator) -> list[str]:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        index = DurableIndex(Path(folder), kind(DIMENSIONS), changes_before_snapshot=2 * len(vectors))
        insert_ms = timed_ms(lambda: fill(index, vectors, f"{len(vectors):,} entries"))
        return [
            f"{insert_ms / len(vectors):.3f}",
            *searched(index, vectors, rng),
            *persisted(kind, index, Path(folder)),
        ]


def searched(index: NominationIndex, vectors: Vectors, rng: np.random.Generator) -> list[str]:
    """What searches find and take, and deletions after them."""
    asked, best = near(vectors, rng)
    found: list[float] = []

    def search(query: Vectors) -> None:
        found.append(index.nearest(query, 1)[0].similarity)

    search_ms = [timed_ms(partial(search, query), time.perf_counter) for query in asked]
    recall = float(np.mean(np.array(found) >= best - TOLERANCE))
    delete_ms = timed_ms(lambda: [index.remove(str(number)) for number in range(DELETIONS)])
    percentiles = (f"{np.percentile(search_ms, share):.2f}" for share in (50, 99))
    return [*percentiles, f"{recall:.3f}", f"{delete_ms / DELETIONS * 1000:.0f}", f"{index.memory_bytes / 1e6:.0f}"]


def persisted(kind: Callable[[int], SavedIndex], index: DurableIndex, folder: Path) -> list[str]:
    """How long a snapshot and reading it back into a new index take, and its size."""
    snapshot_ms = timed_ms(index.snapshot)
    index.close()
    size = sum(path.stat().st_size for path in folder.iterdir())
    expected, process_mb = len(index), psutil.Process().memory_info().rss / 1e6
    opened: list[DurableIndex] = []
    reload_ms = timed_ms(lambda: opened.append(DurableIndex(folder, kind(DIMENSIONS))))
    opened[0].close()
    read_back = f"{len(opened[0]) / expected:.1%}"
    return [f"{snapshot_ms / 1000:.1f}", f"{size / 1e6:.0f}", f"{reload_ms / 1000:.1f}", read_back, f"{process_mb:.0f}"]


def main() -> None:
    """Measure and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--million", action="store_true", help="also a million entries in the graph; an hour")
    arguments.add_argument("--entries", type=int, nargs="+", default=[10_000, 100_000])
    options = arguments.parse_args()
    rng = np.random.default_rng(0)
    table = Table(*COLUMNS)
    for size in options.entries + ([1_000_000] if options.million else []):
        vectors = drawn(size, rng)
        for kind in (FlatIndex, GraphIndex):
            if size <= FLAT_UP_TO or kind is GraphIndex:
                table.add_row(f"{size:,}", kind.__name__, *measured(kind, vectors, rng))
    Console(width=160).print(table)


if __name__ == "__main__":
    main()
