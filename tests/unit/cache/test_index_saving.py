"""A graph that was written comes back without being built anew, and is never believed when it is damaged."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.cache.index import DurableIndex, FlatIndex, GraphIndex, GrowingIndex

DIMENSIONS = 8


def direction(number: int) -> np.ndarray:
    """A random direction with a name."""
    return np.random.default_rng(number).standard_normal(DIMENSIONS).astype(np.float32)


def graph_of(count: int, removed: int = 0) -> GraphIndex:
    """A graph of the first directions, without the very first."""
    index = GraphIndex(DIMENSIONS)
    for number in range(count):
        index.put(str(number), direction(number))
    for number in range(removed):
        index.remove(str(number))
    return index


def keys_of(index: GraphIndex) -> list[str]:
    """The keys, in the order of the entries."""
    return [key for key, _ in index.entries()]


def test_a_saved_graph_is_the_same_graph(tmp_path: Path) -> None:
    """It nominates the same, knows the same entries, and goes on as the other would."""
    index, path = graph_of(100, removed=20), tmp_path / "graph"
    assert index.save(path)
    loaded = GraphIndex(DIMENSIONS)
    assert loaded.load(path, keys_of(index))
    assert len(loaded) == 80
    for number in range(100):
        assert loaded.nearest(direction(number), 5) == index.nearest(direction(number), 5)
    for each in (loaded, index):
        each.put("new", direction(1000))
        each.put("50", direction(1001))
        each.remove("60")
    assert keys_of(loaded) == keys_of(index)
    assert loaded.nearest(direction(1001), 80) == index.nearest(direction(1001), 80)


@settings(deadline=None, max_examples=60)
@given(place=st.floats(0, 1, exclude_max=True), byte=st.integers(1, 255))
def test_any_changed_byte_is_noticed(tmp_path_factory: pytest.TempPathFactory, place: float, byte: int) -> None:
    """The index stays empty, and can be filled."""
    index, path = graph_of(20), tmp_path_factory.mktemp("damaged") / "graph"
    index.save(path)
    data = bytearray(path.read_bytes())
    data[int(place * len(data))] ^= byte
    path.write_bytes(data)
    loaded = GraphIndex(DIMENSIONS)
    assert not loaded.load(path, keys_of(index))
    assert len(loaded) == 0
    loaded.put("new", direction(1))
    assert loaded.nearest(direction(1), 1)[0].key == "new"


@pytest.mark.parametrize("length", [0, 1, 11, 12, 500])
def test_a_file_that_is_cut_is_noticed(tmp_path: Path, length: int) -> None:
    """Wherever the end is missing."""
    index, path = graph_of(20), tmp_path / "graph"
    index.save(path)
    path.write_bytes(path.read_bytes()[:length])
    assert not GraphIndex(DIMENSIONS).load(path, keys_of(index))


def test_a_graph_of_something_else_is_refused(tmp_path: Path) -> None:
    """Other keys, other dimensions, or no file at all."""
    index, path = graph_of(20), tmp_path / "graph"
    index.save(path)
    assert not GraphIndex(DIMENSIONS).load(path, keys_of(index)[1:])
    assert not GraphIndex(DIMENSIONS + 1).load(path, keys_of(index))
    assert not GraphIndex(DIMENSIONS).load(tmp_path / "nothing", [])


def test_an_exact_index_has_nothing_to_save(tmp_path: Path) -> None:
    """Its matrix is built as fast as it is read, also while a growing index is small."""
    for index in (FlatIndex(DIMENSIONS), GrowingIndex(DIMENSIONS)):
        index.put("one", direction(1))
        assert not index.save(tmp_path / "built")
        assert not index.load(tmp_path / "built", ["one"])
    assert list(tmp_path.iterdir()) == []


def opened(folder: Path) -> DurableIndex:
    """A durable index that is a graph from the tenth entry on."""
    return DurableIndex(folder, GrowingIndex(DIMENSIONS, flat_up_to=10))


@pytest.mark.parametrize("is_damaged", [False, True])
def test_a_durable_index_comes_back_with_its_graph_or_without(tmp_path: Path, is_damaged: bool) -> None:
    """With what came after the snapshot; a damaged graph is built anew from it."""
    index = opened(tmp_path)
    for number in range(30):
        index.put(str(number), direction(number))
    index.snapshot()
    index.put("later", direction(100))
    index.remove("7")
    index.close()
    if is_damaged:
        (tmp_path / "built-1").write_bytes(b"something else")
    again = opened(tmp_path)
    assert len(again) == 30
    assert again.nearest(direction(100), 1)[0].key == "later"
    assert [key for key, _ in again.entries()] == [str(n) for n in range(30) if n != 7] + ["later"]
    again.close()


def test_only_the_graph_of_the_last_snapshot_stays(tmp_path: Path) -> None:
    """Older ones, and one whose snapshot was never finished, are forgotten."""
    index = opened(tmp_path)
    for number in range(30):
        index.put(str(number), direction(number))
    index.snapshot()
    index.snapshot()
    index.close()
    (tmp_path / "built-3").write_bytes(b"of a snapshot that was never finished")
    opened(tmp_path).close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["built-2", "journal-2", "snapshot-2"]
