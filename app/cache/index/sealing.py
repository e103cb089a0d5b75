"""Files of other libraries with numbers of ours behind them, and a checksum over both."""

import os
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

_SEAL: Final = struct.Struct("<QI")  # bytes of the numbers, checksum of everything before it
_BLOCK: Final = 1 << 20


def seal(path: Path, numbers: Sequence[int]) -> None:
    """Write the numbers and the checksum behind what is in the file, and all of it to the disk."""
    data = np.array(numbers, dtype="<u8").tobytes()
    with path.open("r+b") as file:
        file.seek(0, os.SEEK_END)
        file.write(data)
        file.flush()
        file.write(_SEAL.pack(len(data), _checksum(path, file.tell())))
        file.flush()
        os.fsync(file.fileno())


def unseal(path: Path) -> list[int]:
    """The numbers behind a file; raises ValueError where anything in it has changed, or is missing."""
    size = path.stat().st_size if path.exists() else 0
    if size < _SEAL.size:
        raise ValueError(f"{path} is not there, or not complete")
    with path.open("rb") as file:
        file.seek(size - _SEAL.size)
        count, checksum = _SEAL.unpack(file.read(_SEAL.size))
        if count > size - _SEAL.size or checksum != _checksum(path, size - _SEAL.size):
            raise ValueError(f"{path} is damaged")
        file.seek(size - _SEAL.size - count)
        return [int(number) for number in np.frombuffer(file.read(count), dtype="<u8")]


def _checksum(path: Path, length: int) -> int:
    checksum = 0
    with path.open("rb") as file:
        while length > 0 and (block := file.read(min(_BLOCK, length))):
            checksum = zlib.crc32(block, checksum)
            length -= len(block)
    return checksum
