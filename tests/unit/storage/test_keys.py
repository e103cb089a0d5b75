"""Keys of blobs: nothing that could leave the store is one."""

from pathlib import Path

import pytest

from app.errors import NotFoundError
from app.storage.blobs import LocalBlobStore
from app.storage.keys import checked_key, content_key, scratch_key

HOSTILE = [
    "",
    ".",
    "..",
    "../a.png",
    "a/../b",
    "/etc/passwd",
    "a//b",
    "a.png/",
    ".hidden",
    "a\x00b",
    "a b",
    "ä.png",
    "a\n",
]


@pytest.mark.parametrize("key", HOSTILE)
def test_a_hostile_key_names_no_file(key: str) -> None:
    """Whatever could climb out of the store, or is not plainly a name, is not found."""
    with pytest.raises(NotFoundError):
        checked_key(key)


@pytest.mark.parametrize("key", ["a.png", "scratch/request-1.0.png", content_key(b"x", "jpeg"), scratch_key("r.0")])
def test_our_own_keys_are_well_formed(key: str) -> None:
    """Every key that Darkroom makes passes its own check."""
    assert checked_key(key) == key


async def test_the_local_store_checks_every_key(tmp_path: Path) -> None:
    """No operation touches the disk outside the store's folder."""
    store = LocalBlobStore(tmp_path / "blobs")
    (tmp_path / "secret").write_bytes(b"secret")
    with pytest.raises(NotFoundError):
        await store.read("../secret")
    with pytest.raises(NotFoundError):
        await store.put("../secret", b"mine")
    with pytest.raises(NotFoundError):
        await store.delete("../secret")
    assert (tmp_path / "secret").read_bytes() == b"secret"
