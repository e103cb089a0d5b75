"""Which blob store a configuration names."""

from pathlib import Path

import pytest

from app.config import StorageSettings
from app.errors import ConfigurationError
from app.storage.blobs import open_blobs


async def test_a_path_names_a_folder(tmp_path: Path) -> None:
    """Blobs of a path are files below it."""
    await open_blobs(StorageSettings(blobs=str(tmp_path / "blobs"))).put("a.png", b"picture")

    assert (tmp_path / "blobs" / "a.png").read_bytes() == b"picture"


def test_a_store_that_is_not_served_yet_is_refused_in_words() -> None:
    """A bucket is never mistaken for a folder of that name."""
    with pytest.raises(ConfigurationError, match="s3 is not served yet"):
        open_blobs(StorageSettings(blobs="s3://bucket/prefix"))
