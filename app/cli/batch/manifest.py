"""The manifest: one line for every row that is over, on the disk before the next one begins there."""

import asyncio
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.errors import ConfigurationError

NAME = "manifest.jsonl"
COMPLETED = "completed"
FAILED = "failed"

Entry = dict[str, Any]


class Manifest:
    """A file of JSON lines that only ever grows; every entry has an `id`, a `row` digest and a `status`."""

    def __init__(self, folder: Path, entries: list[Entry]) -> None:
        self._path = folder / NAME
        self._writing = asyncio.Lock()
        self._entries = {entry["id"]: entry for entry in entries}

    @property
    def failed(self) -> int:
        """How many entries are of rows that failed."""
        return sum(entry["status"] == FAILED for entry in self._entries.values())

    def digest(self, row_id: str) -> str | None:
        """The digest of the row with that id, if its entry is there."""
        entry = self._entries.get(row_id)
        return None if entry is None else str(entry["row"])

    async def append(self, entry: Entry) -> None:
        """Write the entry; it is on the disk when this returns."""
        line = json.dumps(entry, ensure_ascii=False).encode() + b"\n"
        async with self._writing:
            await asyncio.to_thread(_append, self._path, line)
            self._entries[entry["id"]] = entry


@contextmanager
def opened(folder: Path, *, retry_failed: bool) -> Iterator[Manifest]:
    """The manifest in the folder, whose last line is dropped when a killed run left it torn.

    Without the entries of rows that failed when those are to be tried again. Raises
    ConfigurationError when another batch writes there now, or when the file is no manifest.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ConfigurationError(f"another batch writes to {folder} now") from error
        yield Manifest(folder, _settled(folder / NAME, retry_failed=retry_failed))
    finally:
        os.close(lock)


def write_file(path: Path, data: bytes) -> None:
    """Put the file on the disk: all of it, or nothing."""
    draft = path.with_name(f".{path.name}.part")
    with draft.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(draft, path)


def _settled(path: Path, *, retry_failed: bool) -> list[Entry]:
    content = path.read_bytes() if path.exists() else b""
    whole = content[: content.rfind(b"\n") + 1]
    entries = [_entry(line, path) for line in whole.splitlines()]
    kept = [entry for entry in entries if not (retry_failed and entry["status"] == FAILED)]
    if len(whole) < len(content) or len(kept) < len(entries):
        write_file(path, b"".join(json.dumps(entry, ensure_ascii=False).encode() + b"\n" for entry in kept))
    return kept


def _entry(line: bytes, path: Path) -> Entry:
    try:
        entry = json.loads(line)
        _ = entry["id"], entry["row"], entry["status"]
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"{path} is no manifest of a batch; choose another folder with --out") from error
    return dict(entry)


def _append(path: Path, line: bytes) -> None:
    with path.open("ab") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())
