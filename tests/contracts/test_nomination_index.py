"""Every index of prompts keeps one contract."""

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.cache.index import DurableIndex, FlatIndex, GraphIndex, GrowingIndex, NominationIndex

DIMENSIONS = 16


def direction(number: int) -> np.ndarray:
    """A random direction with a name."""
    return np.random.default_rng(number).standard_normal(DIMENSIONS).astype(np.float32)


@pytest.fixture(params=["flat", "graph", "growing", "durable"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NominationIndex]:
    """An empty index."""
    durable = DurableIndex(tmp_path, FlatIndex(DIMENSIONS), changes_before_snapshot=100)
    indices: dict[str, NominationIndex] = {
        "flat": FlatIndex(DIMENSIONS),
        "graph": GraphIndex(DIMENSIONS),
        "growing": GrowingIndex(DIMENSIONS, flat_up_to=50),
        "durable": durable,
    }
    yield indices[request.param]
    durable.close()


def keys(index: NominationIndex, number: int, count: int = 1) -> list[str]:
    """The keys nominated for a direction."""
    return [nominee.key for nominee in index.nearest(direction(number), count)]


def fill(index: NominationIndex, count: int) -> None:
    """Put the first directions under their numbers."""
    for number in range(count):
        index.put(str(number), direction(number))


def test_an_empty_index_nominates_nobody(index: NominationIndex) -> None:
    """There is nothing to be near to."""
    assert len(index) == 0
    assert index.nearest(direction(0), 3) == []


def test_everything_finds_itself(index: NominationIndex) -> None:
    """A stored direction is the nearest to itself, with a cosine of one."""
    fill(index, 200)

    assert len(index) == 200
    assert [keys(index, number) for number in range(200)] == [[str(number)] for number in range(200)]
    assert index.nearest(5 * direction(7), 1)[0].similarity == pytest.approx(1, abs=2e-3)


def test_nominees_come_in_order(index: NominationIndex) -> None:
    """The most similar first, as many as asked for, each once, with the cosine of the angle."""
    fill(index, 30)
    wanted = direction(100)
    cosines = {
        str(n): float(direction(n) @ wanted / np.linalg.norm(direction(n)) / np.linalg.norm(wanted)) for n in range(30)
    }
    nominees = index.nearest(wanted, 5)

    assert [nominee.key for nominee in nominees] == sorted(cosines, key=lambda key: -cosines[key])[:5]
    assert [nominee.similarity for nominee in nominees] == pytest.approx(sorted(cosines.values())[:-6:-1], abs=2e-3)
    assert len(index.nearest(wanted, 100)) == 30


def test_a_key_has_one_vector(index: NominationIndex) -> None:
    """Putting a key again replaces its vector."""
    fill(index, 10)
    index.put("3", direction(77))

    assert len(index) == 10
    assert keys(index, 77) == ["3"]
    assert index.nearest(direction(3), 1)[0].similarity < 0.99


def test_what_is_removed_is_not_nominated(index: NominationIndex) -> None:
    """However much is removed, the rest is found, and removing again finds nothing."""
    fill(index, 300)
    for number in range(0, 300, 2):
        assert index.remove(str(number))

    assert not index.remove("0")
    assert len(index) == 150
    assert all(keys(index, number) == [str(number)] for number in range(1, 300, 2))
    assert all(int(key) % 2 for key in keys(index, 0, 20))


def test_everything_can_be_removed(index: NominationIndex) -> None:
    """An emptied index is empty, and can be filled again."""
    fill(index, 200)
    for number in range(200):
        index.remove(str(number))
    assert (len(index), index.nearest(direction(1), 3)) == (0, [])
    index.put("again", direction(1))

    assert keys(index, 1, 3) == ["again"]


def test_entries_are_what_was_put(index: NominationIndex) -> None:
    """All keys with their directions, at length one."""
    fill(index, 100)
    index.remove("5")
    entries = dict(index.entries())

    assert sorted(entries) == sorted(str(number) for number in range(100) if number != 5)
    assert entries["7"].astype(np.float32) == pytest.approx(direction(7) / np.linalg.norm(direction(7)), abs=1e-3)


@pytest.mark.parametrize("vector", [np.zeros(DIMENSIONS), np.full(DIMENSIONS, np.nan), np.full(DIMENSIONS, np.inf)])
def test_a_vector_without_a_direction_is_refused(index: NominationIndex, vector: np.ndarray) -> None:
    """It would be near to nothing, or to everything."""
    with pytest.raises(ValueError, match="direction"):
        index.put("odd", vector.astype(np.float32))
    assert len(index) == 0


def test_memory_grows_with_the_entries(index: NominationIndex) -> None:
    """What an index takes is known, and at least the size of its vectors."""
    fill(index, 300)

    assert index.memory_bytes >= 300 * DIMENSIONS * 2


def test_readers_beside_one_writer(index: NominationIndex) -> None:
    """While one thread puts, replaces and removes, searches always find what nobody touches, and never fail."""
    fill(index, 100)
    failures: list[object] = []
    done = threading.Event()

    def read(first: int) -> None:
        try:
            while not done.is_set():
                found = {number: keys(index, number) for number in range(first, 50, 3)}
                failures.extend(number for number, nominees in found.items() if nominees != [str(number)])
        except Exception as error:
            failures.append(error)

    readers = [threading.Thread(target=read, args=(first,)) for first in range(3)]
    for reader in readers:
        reader.start()
    for number in range(1500):
        index.put(str(50 + number % 60), direction(1000 + number))
        index.remove(str(50 + (number * 7) % 60))
    done.set()
    for reader in readers:
        reader.join()

    assert failures == []
