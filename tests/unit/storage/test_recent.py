"""Files kept at hand: which are, and for how long."""

from fakes import MemoryBlobStore

from app.storage.recent import RecentBlobs


class CountingBlobs(MemoryBlobStore):
    """A store that counts its reads."""

    def __init__(self) -> None:
        super().__init__()
        self.reads = 0

    async def read(self, key: str) -> bytes:
        """Counted."""
        self.reads += 1
        return await super().read(key)


async def test_what_was_just_stored_is_read_without_the_store() -> None:
    """The same bytes, from memory."""
    store = CountingBlobs()
    recent = RecentBlobs(store)
    await recent.put("a.png", b"bytes")
    assert (await recent.read("a.png"), store.reads) == (b"bytes", 0)


async def test_the_files_used_longest_ago_give_way() -> None:
    """No more than `max_bytes` are kept at hand; the rest is read from the store."""
    store = CountingBlobs()
    recent = RecentBlobs(store, max_bytes=8)
    for key in ("a.png", "b.png"):
        await recent.put(key, b"4444")
    await recent.read("a.png")
    await recent.put("c.png", b"4444")
    assert [await recent.read(key) for key in ("a.png", "c.png")] == [b"4444"] * 2
    assert store.reads == 0
    assert (await recent.read("b.png"), store.reads) == (b"4444", 1)


async def test_a_file_that_is_too_large_is_not_kept() -> None:
    """It pushes nothing out."""
    store = CountingBlobs()
    recent = RecentBlobs(store, max_bytes=8)
    await recent.put("a.png", b"4444")
    await recent.put("large.png", b"999999999")
    assert (await recent.read("large.png"), store.reads) == (b"999999999", 1)
    assert (await recent.read("a.png"), store.reads) == (b"4444", 1)


async def test_a_replaced_file_counts_once() -> None:
    """However often one key is stored, it takes the place of one file."""
    store = CountingBlobs()
    recent = RecentBlobs(store, max_bytes=8)
    await recent.put("a.png", b"4444")
    for _ in range(5):
        await recent.put("b.png", b"4444")
    assert (await recent.read("a.png"), store.reads) == (b"4444", 0)
