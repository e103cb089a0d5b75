"""Which blob store a configuration names."""

from pathlib import Path

import pytest

from app.config import StorageSettings
from app.errors import ConfigurationError
from app.storage.blobs import open_blobs
from app.storage.blobs.s3 import S3BlobStore


async def test_a_path_names_a_folder(tmp_path: Path) -> None:
    """Blobs of a path are files below it."""
    await open_blobs(StorageSettings(blobs=str(tmp_path / "blobs"))).put("a.png", b"picture")

    assert (tmp_path / "blobs" / "a.png").read_bytes() == b"picture"


async def test_a_bucket_is_named_with_its_prefix(tmp_path: Path) -> None:
    """A bucket is never mistaken for a folder of that name, and nothing is asked of it yet."""
    settings = StorageSettings(blobs="s3://bucket/some/prefix/")

    assert isinstance(open_blobs(settings), S3BlobStore)


@pytest.mark.parametrize("blobs", ["gs://bucket/prefix", "s3:///prefix", "https://bucket"])
def test_a_store_that_is_not_served_is_refused_in_words(blobs: str) -> None:
    """What is neither a folder nor a bucket of S3 is named."""
    with pytest.raises(ConfigurationError, match="neither a folder nor s3://bucket/prefix"):
        open_blobs(StorageSettings(blobs=blobs))
