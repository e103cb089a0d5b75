"""An index that is there again after a crash: a snapshot, and a journal of what has changed since."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np

from app.cache.index.contract import Nominee, SavedIndex, Stored, Vector, stored
from app.cache.index.journal import Change, append, replay

_SNAPSHOT = "snapshot-"
_JOURNAL = "journal-"
_BUILT = "built-"
_CHANGES_BEFORE_SNAPSHOT = 50_000


class DurableIndex:
    """Writes every change of the index to a folder of its own, before the index has it.

    A snapshot is complete or not there at all: it is renamed into place once it is on the disk. The number in its name
    is that of the journal which goes on from it. Every so many changes there is a new one. Beside it is what the index
    has built, where that takes long; without it, or when it is damaged, it is built from the snapshot.
    """

    def __init__(
        self, folder: Path, index: SavedIndex, *, changes_before_snapshot: int = _CHANGES_BEFORE_SNAPSHOT
    ) -> None:
        """Open the folder and bring what it holds into the empty index."""
        self._folder = folder
        self._index = index
        self._changes_before_snapshot = changes_before_snapshot
        folder.mkdir(parents=True, exist_ok=True)
        self._number = max((_number(path) for path in folder.glob(f"{_SNAPSHOT}*[0-9]")), default=0)
        self._recover_snapshot()
        self._changes = self._recover(_JOURNAL)
        self._journal: BinaryIO = self._path(_JOURNAL).open("ab")
        self._forget_others()

    def __len__(self) -> int:
        return len(self._index)

    @property
    def memory_bytes(self) -> int:
        """What the index takes in memory."""
        return self._index.memory_bytes

    def put(self, key: str, vector: Vector) -> None:
        """Store the vector, in place of one under the same key; raises ValueError for one without a direction."""
        self._write(Change(key, stored(vector)))
        self._index.put(key, vector)

    def remove(self, key: str) -> bool:
        """Forget the key; false when it was not there."""
        self._write(Change(key, None))
        return self._index.remove(key)

    def nearest(self, vector: Vector, count: int) -> list[Nominee]:
        """Up to `count` entries, the most similar first."""
        return self._index.nearest(vector, count)

    def entries(self) -> Iterator[tuple[str, Stored]]:
        """Everything that is stored, for the one who writes."""
        return self._index.entries()

    def snapshot(self) -> None:
        """Write everything anew, and begin an empty journal."""
        unfinished = self._folder / "unfinished"
        with unfinished.open("wb") as file:
            for key, vector in self._index.entries():
                append(file, Change(key, vector))
            os.fsync(file.fileno())
        self._index.save(self._folder / f"{_BUILT}{self._number + 1}")
        self._journal.close()
        self._number += 1
        unfinished.rename(self._path(_SNAPSHOT))
        _sync(self._folder)
        self._journal = self._path(_JOURNAL).open("ab")
        self._changes = 0
        self._forget_others()

    def close(self) -> None:
        """Write nothing more."""
        self._journal.close()

    def _write(self, change: Change) -> None:
        if self._changes >= self._changes_before_snapshot:
            self.snapshot()
        append(self._journal, change)
        self._changes += 1

    def _recover_snapshot(self) -> None:
        if self._path(_BUILT).exists() and self._path(_SNAPSHOT).exists():
            keys = [change.key for change in replay(self._path(_SNAPSHOT))]
            if self._index.load(self._path(_BUILT), keys):
                return
        self._recover(_SNAPSHOT)

    def _recover(self, kind: str) -> int:
        changes = 0
        if self._path(kind).exists():
            for change in replay(self._path(kind)):
                self._apply(change)
                changes += 1
        return changes

    def _apply(self, change: Change) -> None:
        if change.vector is None:
            self._index.remove(change.key)
        else:
            self._index.put(change.key, change.vector.astype(np.float32))

    def _path(self, kind: str) -> Path:
        return self._folder / f"{kind}{self._number}"

    def _forget_others(self) -> None:
        kept = {self._path(kind) for kind in (_SNAPSHOT, _JOURNAL, _BUILT)}
        for path in self._folder.iterdir():
            if path not in kept and path.name.startswith((_SNAPSHOT, _JOURNAL, _BUILT, "unfinished")):
                path.unlink()


def _number(path: Path) -> int:
    return int(path.name.removeprefix(_SNAPSHOT))


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
