"""The manifest survives whatever stops its writer."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.cli.batch.manifest import NAME, opened, write_file
from app.errors import ConfigurationError

DONE = {"id": "a", "row": "1", "status": "completed"}
FAILED = {"id": "b", "row": "2", "status": "failed"}


async def written(folder: Path) -> bytes:
    """The content of a manifest with two entries."""
    with opened(folder, retry_failed=False) as manifest:
        await manifest.append(DONE)
        await manifest.append(FAILED)
    return (folder / NAME).read_bytes()


async def test_entries_stay(tmp_path: Path) -> None:
    """A manifest opened again knows its rows."""
    await written(tmp_path)

    with opened(tmp_path, retry_failed=False) as manifest:
        assert (manifest.digest("a"), manifest.digest("b"), manifest.digest("c")) == ("1", "2", None)
        assert manifest.failed == 1


async def test_failed_rows_can_be_forgotten(tmp_path: Path) -> None:
    """To be tried again, a failed row leaves the manifest first."""
    before = await written(tmp_path)

    with opened(tmp_path, retry_failed=True) as manifest:
        assert (manifest.digest("a"), manifest.digest("b"), manifest.failed) == ("1", None, 0)
    assert before.startswith((tmp_path / NAME).read_bytes())


@given(data=st.data())
async def test_torn_at_any_byte(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Wherever a run was killed while it wrote, the entries before are whole and the next one follows them."""
    folder = tmp_path_factory.mktemp("torn")
    content = await written(folder)
    cut = data.draw(st.integers(0, len(content)))
    (folder / NAME).write_bytes(content[:cut])

    with opened(folder, retry_failed=False) as manifest:
        left = [entry for entry in (DONE, FAILED) if manifest.digest(entry["id"]) is None]
        for entry in left:
            await manifest.append(entry)

    assert (folder / NAME).read_bytes() == content


def test_one_writer(tmp_path: Path) -> None:
    """A second batch in the same folder is refused while the first one is there."""
    first, second, third = (opened(tmp_path, retry_failed=False) for _ in range(3))
    with first, pytest.raises(ConfigurationError, match="another batch"), second:
        pass
    with third:
        pass


@pytest.mark.parametrize("content", [b"hello\n", b"[]\n", b'{"id": "a"}\n', b"\xff\n"])
def test_another_file(tmp_path: Path, content: bytes) -> None:
    """A file that is no manifest is neither read nor written."""
    (tmp_path / NAME).write_bytes(content)

    with pytest.raises(ConfigurationError, match="no manifest"), opened(tmp_path, retry_failed=False):
        pass
    assert (tmp_path / NAME).read_bytes() == content


def test_files_are_replaced_whole(tmp_path: Path) -> None:
    """A file that is written again has its new content and leaves nothing beside it."""
    for content in (b"first", b"second"):
        write_file(tmp_path / "a.png", content)

    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a.png", b"second")]
