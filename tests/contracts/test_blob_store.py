"""What every blob store promises; the fake that other tests pass in keeps the same promises."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from fakes import MemoryBlobStore

from app.errors import NotFoundError
from app.storage.blobs import BlobStore, LocalBlobStore
from app.storage.keys import content_key, scratch_key
from app.storage.recent import RecentBlobs

Make = Callable[[Path], BlobStore]

every_store = pytest.mark.parametrize(
    "make",
    [
        pytest.param(LocalBlobStore, id="local"),
        pytest.param(lambda folder: RecentBlobs(LocalBlobStore(folder)), id="recent"),
        pytest.param(lambda folder: RecentBlobs(LocalBlobStore(folder), max_bytes=8), id="recent, but little"),
        pytest.param(lambda _: MemoryBlobStore(), id="fake"),
    ],
)


@every_store
async def test_what_was_put_is_read(make: Make, tmp_path: Path) -> None:
    """A file is found under its key, nested keys included."""
    store = make(tmp_path)
    await store.put(scratch_key("job.0"), b"bytes")
    assert await store.exists(scratch_key("job.0"))
    assert await store.read(scratch_key("job.0")) == b"bytes"


@every_store
async def test_a_missing_file_is_not_found(make: Make, tmp_path: Path) -> None:
    """Reading raises NotFoundError, and `exists` is false."""
    store = make(tmp_path)
    assert not await store.exists("a.png")
    with pytest.raises(NotFoundError):
        await store.read("a.png")


@every_store
async def test_a_deleted_file_is_gone(make: Make, tmp_path: Path) -> None:
    """Deleting twice is no error."""
    store = make(tmp_path)
    await store.put("a.png", b"bytes")
    await store.delete("a.png")
    await store.delete("a.png")
    assert not await store.exists("a.png")


@every_store
async def test_the_last_writer_wins(make: Make, tmp_path: Path) -> None:
    """A second file under one key replaces the first."""
    store = make(tmp_path)
    await store.put("a.png", b"first")
    await store.put("a.png", b"second")
    assert await store.read("a.png") == b"second"


@every_store
async def test_concurrent_writers_leave_one_whole_file(make: Make, tmp_path: Path) -> None:
    """A reader never sees a mixture."""
    store = make(tmp_path)
    drafts = [bytes([number]) * 100_000 for number in range(8)]
    await asyncio.gather(*(store.put("a.bin", draft) for draft in drafts))
    assert await store.read("a.bin") in drafts


@every_store
async def test_equal_bytes_share_a_key(make: Make, tmp_path: Path) -> None:
    """Content keys are well formed for every store, and only equal bytes have equal ones."""
    store = make(tmp_path)
    await store.put(content_key(b"picture", "png"), b"picture")
    assert await store.exists(content_key(b"picture", "png"))
    assert not await store.exists(content_key(b"another", "png"))


async def _arriving(*chunks: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if error is not None:
        raise error


@every_store
async def test_a_stream_becomes_one_file(make: Make, tmp_path: Path) -> None:
    """What arrives in pieces is read as a whole; no pieces are an empty file."""
    store = make(tmp_path)
    await store.write("uploads/a.bin", _arriving(b"one", b"", b"two"))
    await store.write("uploads/b.bin", _arriving())
    assert (await store.read("uploads/a.bin"), await store.size("uploads/a.bin")) == (b"onetwo", 6)
    assert await store.read("uploads/b.bin") == b""


def _drafts_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


@every_store
async def test_a_broken_stream_leaves_nothing(make: Make, tmp_path: Path) -> None:
    """A stream that fails leaves the file that was there before, or none."""
    store = make(tmp_path)
    await store.put("uploads/a.bin", b"before")
    for key in ("uploads/a.bin", "uploads/b.bin"):
        with pytest.raises(ConnectionError):
            await store.write(key, _arriving(b"half", error=ConnectionError()))
    assert await store.read("uploads/a.bin") == b"before"
    assert await store.keys("uploads") == ("uploads/a.bin",)
    assert _drafts_in(tmp_path) == []


@every_store
@pytest.mark.parametrize(("start", "stop", "found"), [(0, 4, b"0123"), (2, 3, b"2"), (8, 99, b"89"), (12, 14, b"")])
async def test_a_span_is_a_part_of_the_file(make: Make, tmp_path: Path, start: int, stop: int, found: bytes) -> None:
    """A span ends before its stop, and at the latest where the file does."""
    store = make(tmp_path)
    await store.put("a.bin", b"0123456789")
    assert await store.read_span("a.bin", start, stop) == found


@every_store
async def test_keys_are_listed_by_folder(make: Make, tmp_path: Path) -> None:
    """A folder's keys are those below it, at any depth, in order; a folder that is not there has none."""
    store = make(tmp_path)
    for key in ("parts/b/2", "parts/a/1", "parts.bin", "partsmore/c"):
        await store.put(key, b"")
    assert await store.keys("parts") == ("parts/a/1", "parts/b/2")
    assert await store.keys("nothing") == ()


@every_store
async def test_a_missing_file_has_no_size_and_no_spans(make: Make, tmp_path: Path) -> None:
    """Asking for either raises NotFoundError."""
    store = make(tmp_path)
    with pytest.raises(NotFoundError):
        await store.size("a.png")
    with pytest.raises(NotFoundError):
        await store.read_span("a.png", 0, 1)
