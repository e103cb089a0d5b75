"""The durable index against a plain dictionary, with crashes in between."""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from app.cache.index import DurableIndex, GrowingIndex

DIMENSIONS = 8
KEYS = st.sampled_from([f"prompt {number}" for number in range(30)])
DIRECTIONS = st.integers(0, 1000)


def direction(number: int) -> np.ndarray:
    """A random direction with a name."""
    return np.random.default_rng(number).standard_normal(DIMENSIONS).astype(np.float32)


def unit(number: int) -> np.ndarray:
    """The direction at length one."""
    return direction(number) / np.linalg.norm(direction(number))


class IndexMachine(RuleBasedStateMachine):
    """Puts, removals, searches, snapshots, restarts, and crashes in the middle of a write."""

    @initialize()
    def start(self) -> None:
        """An empty folder."""
        self.folder = Path(tempfile.mkdtemp())
        self.model: dict[str, int] = {}
        self.index = self.opened()

    def opened(self) -> DurableIndex:
        """The index as it comes back from the folder; it becomes a graph at ten entries."""
        return DurableIndex(self.folder, GrowingIndex(DIMENSIONS, flat_up_to=10), changes_before_snapshot=25)

    @rule(key=KEYS, number=DIRECTIONS)
    def put(self, key: str, number: int) -> None:
        """Store or replace."""
        self.index.put(key, direction(number))
        self.model[key] = number

    @rule(key=KEYS)
    def remove(self, key: str) -> None:
        """Remove what may be there."""
        assert self.index.remove(key) == (self.model.pop(key, None) is not None)

    @rule(number=DIRECTIONS)
    def search(self, number: int) -> None:
        """The nominee is as similar as the nearest of the dictionary."""
        nominees = self.index.nearest(direction(number), 1)
        if not self.model:
            assert nominees == []
            return
        best = max(float(unit(stored) @ unit(number)) for stored in self.model.values())
        assert nominees[0].similarity == pytest.approx(best, abs=4e-3)
        assert nominees[0].key in self.model

    @rule()
    def snapshot(self) -> None:
        """Write everything anew."""
        self.index.snapshot()

    @rule()
    def restart(self) -> None:
        """Come back in order."""
        self.index.close()
        self.index = self.opened()

    @rule(key=KEYS, number=DIRECTIONS, share=st.floats(0, 0.999))
    def crash_while_writing(self, key: str, number: int, share: float) -> None:
        """Die when only a part of a change has reached the journal: that change alone is lost."""
        (journal,) = self.folder.glob("journal-*")
        before = journal.stat().st_size
        self.index.put(key, direction(number))
        self.index.close()
        (after,) = self.folder.glob("journal-*")
        start = before if after == journal else 0
        with after.open("r+b") as file:
            file.truncate(start + int(share * (after.stat().st_size - start)))
        self.index = self.opened()

    @rule()
    def crash_before_the_snapshot_is_complete(self) -> None:
        """Die while a snapshot is written: it never existed."""
        self.index.close()
        (self.folder / "unfinished").write_bytes(b"half a snapshot")
        self.index = self.opened()

    @rule()
    def crash_after_the_snapshot(self) -> None:
        """Die when the new snapshot is in place and the old files are still there."""
        kept = {path.name: path.read_bytes() for path in self.folder.iterdir()}
        self.index.snapshot()
        self.index.close()
        for path in self.folder.glob("journal-*"):
            path.unlink()
        for name, content in kept.items():
            (self.folder / name).write_bytes(content)
        self.index = self.opened()

    @invariant()
    def holds_the_same(self) -> None:
        """Index and dictionary have the same keys."""
        assert sorted(key for key, _ in self.index.entries()) == sorted(self.model)
        assert len(self.index) == len(self.model)

    def teardown(self) -> None:
        """Remove the folder."""
        if hasattr(self, "index"):
            self.index.close()
            shutil.rmtree(self.folder)


IndexMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestIndexModel = IndexMachine.TestCase
