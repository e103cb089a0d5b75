"""Changes of an index as records in a file: whatever a crash leaves of the last one is recognised and cut off."""

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

import numpy as np

from app.cache.index.contract import Stored

_HEAD: Final = struct.Struct("<III")  # checksum of the rest, length of the key, length of the vector


@dataclass(frozen=True, slots=True)
class Change:
    """A key with its new vector, or with None where it was removed."""

    key: str
    vector: Stored | None


def append(file: BinaryIO, change: Change) -> None:
    """Write the change at the end; a process that dies later has not lost it, a machine may."""
    key = change.key.encode()
    vector = b"" if change.vector is None else change.vector.tobytes()
    body = struct.pack("<II", len(key), len(vector)) + key + vector
    file.write(struct.pack("<I", zlib.crc32(body)) + body)
    file.flush()


def replay(path: Path) -> Iterator[Change]:
    """The complete changes in their order; the file is cut after the last of them."""
    data = path.read_bytes()
    position = 0
    while (end := _end(data, position)) is not None:
        yield _change(data, position)
        position = end
    if position < len(data):
        with path.open("r+b") as file:
            file.truncate(position)


def _end(data: bytes, position: int) -> int | None:
    """Where the record that begins at the position ends; None when it is not complete."""
    if position + _HEAD.size > len(data):
        return None
    checksum, key_bytes, vector_bytes = _HEAD.unpack_from(data, position)
    end = int(position + _HEAD.size + key_bytes + vector_bytes)
    return end if end <= len(data) and zlib.crc32(data[position + 4 : end]) == checksum else None


def _change(data: bytes, position: int) -> Change:
    _, key_bytes, vector_bytes = _HEAD.unpack_from(data, position)
    start = position + _HEAD.size
    key = data[start : start + key_bytes].decode()
    vector = np.frombuffer(data, dtype=np.float16, count=vector_bytes // 2, offset=start + key_bytes)
    return Change(key, vector if vector_bytes else None)
