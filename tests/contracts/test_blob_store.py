"""What every blob store promises; the fake that other tests pass in keeps the same promises."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes import MemoryBlobStore
from s3_server import new_bucket, s3_server

from app.cli.environment import free_ports
from app.config import S3Settings
from app.errors import NotFoundError, StoreUnavailableError
from app.storage.blobs import BlobStore, LocalBlobStore
from app.storage.blobs.s3 import S3BlobStore
from app.storage.keys import LONGEST_KEY, content_key, scratch_key
from app.storage.recent import RecentBlobs

Make = Callable[[Path], BlobStore]


def in_bucket(url: str, **settings: Any) -> S3BlobStore:
    """A store below a prefix of a new bucket, whose other objects are not its own."""
    return S3BlobStore(new_bucket(url), "some/prefix", S3Settings(endpoint_url=url, **settings))


@pytest.fixture(scope="session")
def s3_url() -> Iterator[str]:
    """The URL of an S3-compatible server that ends with the session."""
    with s3_server() as url:
        yield url


@pytest.fixture(params=["local", "s3", "recent", "recent, but little", "recent s3", "fake"])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes stores of each kind in turn."""
    if "s3" in request.param:
        url = request.getfixturevalue("s3_url")
        return (lambda _: in_bucket(url)) if request.param == "s3" else (lambda _: RecentBlobs(in_bucket(url)))
    made: dict[str, Make] = {
        "local": LocalBlobStore,
        "recent": lambda folder: RecentBlobs(LocalBlobStore(folder)),
        "recent, but little": lambda folder: RecentBlobs(LocalBlobStore(folder), max_bytes=8),
        "fake": lambda _: MemoryBlobStore(),
    }
    return made[request.param]


async def test_what_was_put_is_read(make: Make, tmp_path: Path) -> None:
    """A file is found under its key, nested keys included."""
    store = make(tmp_path)
    await store.put(scratch_key("job.0"), b"bytes")
    assert await store.exists(scratch_key("job.0"))
    assert await store.read(scratch_key("job.0")) == b"bytes"


async def test_a_missing_file_is_not_found(make: Make, tmp_path: Path) -> None:
    """Reading raises NotFoundError, and `exists` is false."""
    store = make(tmp_path)
    assert not await store.exists("a.png")
    with pytest.raises(NotFoundError):
        await store.read("a.png")


async def test_a_deleted_file_is_gone(make: Make, tmp_path: Path) -> None:
    """Deleting twice is no error."""
    store = make(tmp_path)
    await store.put("a.png", b"bytes")
    await store.delete("a.png")
    await store.delete("a.png")
    assert not await store.exists("a.png")


async def test_the_last_writer_wins(make: Make, tmp_path: Path) -> None:
    """A second file under one key replaces the first."""
    store = make(tmp_path)
    await store.put("a.png", b"first")
    await store.put("a.png", b"second")
    assert await store.read("a.png") == b"second"


async def test_concurrent_writers_leave_one_whole_file(make: Make, tmp_path: Path) -> None:
    """A reader never sees a mixture."""
    store = make(tmp_path)
    drafts = [bytes([number]) * 100_000 for number in range(8)]
    await asyncio.gather(*(store.put("a.bin", draft) for draft in drafts))
    assert await store.read("a.bin") in drafts


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


async def test_a_stream_becomes_one_file(make: Make, tmp_path: Path) -> None:
    """What arrives in pieces is read as a whole; no pieces are an empty file."""
    store = make(tmp_path)
    await store.write("uploads/a.bin", _arriving(b"one", b"", b"two"))
    await store.write("uploads/b.bin", _arriving())
    assert (await store.read("uploads/a.bin"), await store.size("uploads/a.bin")) == (b"onetwo", 6)
    assert await store.read("uploads/b.bin") == b""


def _drafts_in(folder: Path) -> list[str]:
    return [path.name for path in folder.rglob(".*")]


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


@pytest.mark.parametrize(("start", "stop", "found"), [(0, 4, b"0123"), (2, 3, b"2"), (8, 99, b"89"), (12, 14, b"")])
async def test_a_span_is_a_part_of_the_file(make: Make, tmp_path: Path, start: int, stop: int, found: bytes) -> None:
    """A span ends before its stop, and at the latest where the file does."""
    store = make(tmp_path)
    await store.put("a.bin", b"0123456789")
    assert await store.read_span("a.bin", start, stop) == found


async def test_keys_are_listed_by_folder(make: Make, tmp_path: Path) -> None:
    """A folder's keys are those below it, at any depth, in order; a folder that is not there has none."""
    store = make(tmp_path)
    for key in ("parts/b/2", "parts/a/1", "parts.bin", "partsmore/c"):
        await store.put(key, b"")
    assert await store.keys("parts") == ("parts/a/1", "parts/b/2")
    assert await store.keys("nothing") == ()


async def test_a_missing_file_has_no_size_and_no_spans(make: Make, tmp_path: Path) -> None:
    """Asking for either raises NotFoundError."""
    store = make(tmp_path)
    with pytest.raises(NotFoundError):
        await store.size("a.png")
    with pytest.raises(NotFoundError):
        await store.read_span("a.png", 0, 1)


async def test_only_a_new_key_is_stored(make: Make, tmp_path: Path) -> None:
    """A conditional put leaves the file that was there, and says so."""
    store = make(tmp_path)
    first, second = await store.put_new("a/b.png", b"first"), await store.put_new("a/b.png", b"second")
    assert (first, second, await store.read("a/b.png")) == (True, False, b"first")
    assert _drafts_in(tmp_path) == []


async def test_of_several_new_files_one_is_stored(make: Make, tmp_path: Path) -> None:
    """Of conditional puts at once exactly one stores, and its bytes are what is read."""
    store = make(tmp_path)
    stored = await asyncio.gather(*(store.put_new("a.png", bytes([number])) for number in range(8)))
    assert stored.count(True) == 1
    assert await store.read("a.png") == bytes([stored.index(True)])


async def test_a_large_stream_becomes_one_file(make: Make, tmp_path: Path) -> None:
    """A file that a bucket takes in parts is read as it was sent."""
    store = make(tmp_path)
    chunks = [bytes([number]) * 3_000_000 for number in range(6)]
    await store.write("uploads/a.bin", _arriving(*chunks))
    assert await store.size("uploads/a.bin") == 18_000_000
    assert await store.read_span("uploads/a.bin", 2_999_999, 3_000_001) == b"\0\1"


@pytest.mark.parametrize(
    "key",
    [
        "../a.png",
        "/etc/passwd",
        "a/../b",
        "a//b",
        ".secret",
        "a/.b",
        "a\0b",
        "a b",
        "ä",
        "",
        "a/",
        "a" * (LONGEST_KEY + 1),
    ],
)
async def test_a_malformed_key_is_of_no_file(make: Make, tmp_path: Path, key: str) -> None:
    """Keys that could leave the store, or fit in none, are found nowhere; nothing is stored under one."""
    store = make(tmp_path / "blobs")
    for call in (store.read(key), store.size(key), store.put(key, b""), store.read_span(key, 0, 1)):
        if not isinstance(store, MemoryBlobStore):
            with pytest.raises(NotFoundError):
                await call
        else:
            call.close()


async def test_a_folder_is_no_file(make: Make, tmp_path: Path) -> None:
    """The beginning of a key is not there by itself, and nothing is below a file."""
    store = make(tmp_path)
    await store.put("uploads/a.png", b"bytes")
    for key in ("uploads", "uploads/a.png/b"):
        with pytest.raises(NotFoundError):
            await store.size(key)
        with pytest.raises(NotFoundError):
            await store.read(key)
        assert not await store.exists(key)
        await store.delete(key)
    assert await store.exists("uploads/a.png")


async def test_clients_ask_us_unless_told_otherwise(make: Make, tmp_path: Path) -> None:
    """By default no store sends clients elsewhere."""
    store = make(tmp_path)
    await store.put("a.png", b"bytes")
    assert await store.direct_url("a.png", lifetime_s=60) is None


async def test_a_bucket_is_read_by_a_signed_url(s3_url: str) -> None:
    """Where downloads are direct, a signed URL gives the file, whole or in part, with the type of a picture."""
    store = in_bucket(s3_url, direct_downloads=True)
    await store.put("a.png", b"0123456789")
    url = await store.direct_url("a.png", lifetime_s=60)
    assert url is not None
    async with httpx.AsyncClient(trust_env=False) as client:
        whole = await client.get(url)
        part = await client.get(url, headers={"Range": "bytes=2-3"})
    assert (whole.content, whole.headers["content-type"]) == (b"0123456789", "image/png")
    assert (part.status_code, part.content) == (206, b"23")
    assert "X-Amz-Expires=60" in url


async def test_a_broken_stream_leaves_no_parts(s3_url: str) -> None:
    """Parts of an upload that failed are not kept, and paid for, in the bucket."""
    bucket = new_bucket(s3_url)
    store = S3BlobStore(bucket, "", S3Settings(endpoint_url=s3_url))
    with pytest.raises(ConnectionError):
        await store.write("uploads/a.bin", _arriving(*[b"x" * 9_000_000] * 2, error=ConnectionError()))
    async with httpx.AsyncClient(trust_env=False) as client:
        listed = await client.get(f"{s3_url}/{bucket}?uploads")
    assert "<UploadId>" not in listed.text


async def test_a_bucket_out_of_reach_is_said_so(s3_url: str) -> None:
    """Where a file cannot be kept, or nobody answers, the store is unavailable; the file is not said to be missing."""
    without_bucket = S3BlobStore("no-such-bucket", "", S3Settings(endpoint_url=s3_url))
    without_server = S3BlobStore("bucket", "", S3Settings(endpoint_url=f"http://127.0.0.1:{free_ports(1)[0]}"))
    for call in (without_bucket.put("a.png", b"bytes"), without_server.read("a.png"), without_server.delete("a.png")):
        with pytest.raises(StoreUnavailableError):
            await call


async def test_a_disk_that_cannot_be_written_is_said_so(tmp_path: Path) -> None:
    """What the disk refuses is an unavailable store, and leaves no draft."""
    store = LocalBlobStore(tmp_path / "blobs")
    (tmp_path / "blobs" / "uploads").write_bytes(b"no folder")
    for call in (
        store.put("uploads/a", b""),
        store.put_new("uploads/a", b""),
        store.write("uploads/a", _arriving(b"a")),
    ):
        with pytest.raises(StoreUnavailableError):
            await call
    assert _drafts_in(tmp_path) == []
