"""What every blob store promises; the fake that other tests pass in keeps the same promises."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes import MemoryBlobStore

from app.errors import NotFoundError
from app.storage.blobs import BlobStore, LocalBlobStore
from app.storage.keys import content_key, scratch_key

Make = Callable[[Path], BlobStore]

every_store = pytest.mark.parametrize(
    "make", [pytest.param(LocalBlobStore, id="local"), pytest.param(lambda _: MemoryBlobStore(), id="fake")]
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
