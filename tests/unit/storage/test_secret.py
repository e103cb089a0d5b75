"""The server's secret: made once, kept to its owner, shared by all processes."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from app.config import StorageSettings
from app.errors import ConfigurationError
from app.storage.blobs import open_blobs
from app.storage.secret import open_secret, read_or_make


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    """The second start finds the secret of the first."""
    settings = StorageSettings(blobs=str(tmp_path))

    assert open_secret(settings) == open_secret(settings)


def test_only_the_owner_reads_it(tmp_path: Path) -> None:
    """The file has mode 0600, and nothing is left beside it."""
    path = tmp_path / "deep" / "secret"
    read_or_make(path)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["secret"]


def test_processes_that_start_together_agree(tmp_path: Path) -> None:
    """Of many that find no secret, all end up with the same."""
    with ThreadPoolExecutor(8) as pool:
        found = set(pool.map(read_or_make, [tmp_path / "secret"] * 32))

    assert len(found) == 1


async def test_the_store_does_not_give_it_away(tmp_path: Path) -> None:
    """The secret lies in the folder of the blobs, but is none of them."""
    settings = StorageSettings(blobs=str(tmp_path))
    open_secret(settings)

    assert await open_blobs(settings).keys("uploads") == ()
    with pytest.raises(Exception, match="no such file"):
        await open_blobs(settings).read(".secret")


def test_a_configured_file_is_used(tmp_path: Path) -> None:
    """Operators bring their own secret, for example as a mounted file."""
    (tmp_path / "mine").write_bytes(b"x" * 40)
    settings = StorageSettings(blobs="s3://bucket", secret_file=str(tmp_path / "mine"))

    assert open_secret(settings) == b"x" * 40


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    """A file that holds too little to be a secret stops the start."""
    (tmp_path / "mine").write_bytes(b"x")
    with pytest.raises(ConfigurationError):
        read_or_make(tmp_path / "mine")


def test_blobs_without_a_folder_need_a_named_file() -> None:
    """Where the blobs are no folder, there is no place that all processes share."""
    with pytest.raises(ConfigurationError):
        open_secret(StorageSettings(blobs="s3://bucket"))
