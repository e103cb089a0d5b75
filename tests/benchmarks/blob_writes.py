"""What it costs that a stored picture outlives a loss of power.

Puts into the local store beside the same files written and renamed without waiting for the disk, in turn, one at a
time and several at once. The folder is on the disk of the working directory: a folder in memory would cost nothing.
"""

import asyncio
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from app.storage.blobs import LocalBlobStore

ROUNDS = 5
PUTS = 60
SIZES = {"JPEG, 60 kB": 60_000, "PNG, 1.5 MB": 1_500_000}
AT_ONCE = (1, 8)

Put = Callable[[str, bytes], Awaitable[None]]


def unflushed(root: Path) -> Put:
    """Puts that are whole or not there, but may be lost."""

    def write(key: str, data: bytes) -> None:
        draft = root / f".{key}"
        draft.write_bytes(data)
        os.replace(draft, root / key)

    async def put(key: str, data: bytes) -> None:
        await asyncio.to_thread(write, key, data)

    return put


async def timed(put: Put, size: int, at_once: int) -> list[float]:
    """Seconds of each of many puts, of which so many are under way."""
    room, took_s = asyncio.Semaphore(at_once), []

    async def one(data: bytes) -> None:
        async with room:
            began_s = time.perf_counter()
            await put(f"{secrets.token_hex(16)}.bin", data)
            took_s.append(time.perf_counter() - began_s)

    await asyncio.gather(*(one(secrets.token_bytes(size)) for _ in range(PUTS)))
    return took_s


def line(name: str, size: str, at_once: int, took_s: list[float]) -> str:
    """A row of the table."""
    ordered = sorted(took_s)
    middle, late = statistics.median(ordered), ordered[int(len(ordered) * 0.99) - 1]
    return f"{size:<12} {at_once:>7}  {name:<10} {1000 * middle:>8.1f} {1000 * late:>8.1f}"


async def main() -> None:
    """Print the table."""
    print(f"{ROUNDS * PUTS} puts each\n{'file':<12} {'at once':>7}  {'':<10} {'p50 ms':>8} {'p99 ms':>8}")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        ways: dict[str, Put] = {"flushed": LocalBlobStore(Path(folder)).put, "unflushed": unflushed(Path(folder))}
        for size, count in SIZES.items():
            for at_once in AT_ONCE:
                took_s: dict[str, list[float]] = {name: [] for name in ways}
                for _ in range(ROUNDS):
                    for name, put in ways.items():
                        took_s[name] += await timed(put, count, at_once)
                for name, each in took_s.items():
                    print(line(name, size, at_once, each))


if __name__ == "__main__":
    asyncio.run(main())
