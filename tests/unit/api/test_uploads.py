"""Uploads: any way of cutting and sending a file gives the same file."""

from collections.abc import AsyncIterator
from random import Random

import pytest
from fakes import FakeClock, MemoryBlobStore
from hypothesis import given
from hypothesis import strategies as st

from app.api.uploads import Part, Uploads
from app.errors import BodyTooLargeError

UNTIL_S = 2000
LIMIT = 200


async def arriving(data: bytes, size: int) -> AsyncIterator[bytes]:
    """The data in pieces of that size."""
    for start in range(0, len(data), size):
        yield data[start : start + size]


def uploads(blobs: MemoryBlobStore) -> Uploads:
    """Takes files of at most 200 bytes, at a time that stands."""
    return Uploads(blobs, max_bytes=LIMIT, ttl_s=None, clock=FakeClock(1000.0))


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=10), st.integers(1, 30), st.randoms())
async def test_parts_make_the_file_they_were_cut_from(parts: list[bytes], size: int, random: Random) -> None:
    """In whatever order parts and their tags come, however they were cut, empty ones included."""
    blobs = MemoryBlobStore()
    take = uploads(blobs)
    key = await take.begin("image/png", lifetime_s=None)
    order = list(enumerate(parts, start=1))
    random.shuffle(order)
    tags = [Part(n, await take.keep_part(key, n, arriving(data, size), until_s=UNTIL_S)) for n, data in order]
    random.shuffle(tags)
    await take.assemble(key, tuple(tags), until_s=UNTIL_S)

    assert blobs.files == {key: b"".join(parts)}


@given(st.binary(max_size=2 * LIMIT), st.integers(1, 50))
async def test_a_file_is_whole_or_not_there(data: bytes, size: int) -> None:
    """Up to the limit it is kept as it came; beyond it nothing is."""
    blobs = MemoryBlobStore()
    take = uploads(blobs)
    key = await take.begin("image/png", lifetime_s=60)
    if len(data) > LIMIT:
        with pytest.raises(BodyTooLargeError):
            await take.keep(key, arriving(data, size))
        assert blobs.files == {}
    else:
        await take.keep(key, arriving(data, size))
        assert blobs.files == {key: data}
