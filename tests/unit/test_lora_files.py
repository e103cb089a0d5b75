"""LoRA files: which may be named, where they may lie, and when they are read again."""

import hashlib
import os
from pathlib import Path

import pytest

from app.errors import InvalidInputError
from app.generation import Lora
from app.lora_files import LoraFolder, LoraStamps, complaint_about

INK = "ink.safetensors"
CONTENT = b"ink"


@pytest.fixture
def folder(tmp_path: Path) -> LoraFolder:
    """A folder with one LoRA."""
    (tmp_path / "loras").mkdir()
    (tmp_path / "loras" / INK).write_bytes(CONTENT)
    return LoraFolder(tmp_path / "loras", max_bytes=10)


def digest_of(content: bytes) -> str:
    """What a file of this content is stamped with."""
    return hashlib.sha256(content).hexdigest()


def refusal(folder: LoraFolder, path: str) -> str:
    """Why a path is refused; it is the third of its request."""
    with pytest.raises(InvalidInputError) as refused:
        folder.open(path, 2)
    (issue,) = refused.value.issues
    assert issue.loc == ("body", "loras", 2, "path")
    assert str(folder.path) not in issue.message
    return issue.message


def test_a_stamped_lora_is_read(folder: LoraFolder) -> None:
    """What was stamped is what is read."""
    (lora,) = LoraStamps().stamped([Lora(path=INK, scale=0.5)], folder)
    assert lora == Lora(path=INK, scale=0.5, digest=digest_of(CONTENT))
    assert folder.read(lora, 0) == CONTENT


@pytest.mark.parametrize("digest", ["", digest_of(b"other")])
def test_only_what_was_stamped_is_read(folder: LoraFolder, digest: str) -> None:
    """A file that changed after the request was made is refused, so that no picture mixes two contents."""
    with pytest.raises(InvalidInputError, match="replaced"):
        folder.read(Lora(path=INK, digest=digest), 0)


def test_a_link_may_lead_anywhere_inside(folder: LoraFolder) -> None:
    """Links between LoRAs are fine."""
    (folder.path / "latest.safetensors").symlink_to(INK)
    with folder.open("latest.safetensors", 0) as file:
        assert file.read() == CONTENT


@pytest.mark.parametrize("target", ["../secret.safetensors", "/etc/passwd", "loop.safetensors"])
def test_a_link_may_not_lead_out(folder: LoraFolder, target: str) -> None:
    """A link out of the folder is answered as if nothing were there, and so is one that leads nowhere."""
    (folder.path.parent / "secret.safetensors").write_bytes(b"secret")
    (folder.path / "loop.safetensors").symlink_to(target)
    assert refusal(folder, "loop.safetensors") == refusal(folder, "absent.safetensors")


def test_a_linked_folder_may_not_lead_out(folder: LoraFolder) -> None:
    """What counts is where the file really lies."""
    (folder.path.parent / "elsewhere").mkdir()
    (folder.path.parent / "elsewhere" / INK).write_bytes(CONTENT)
    (folder.path / "inside").symlink_to(folder.path.parent / "elsewhere")
    assert refusal(folder, f"inside/{INK}") == refusal(folder, "absent.safetensors")


def test_the_folder_itself_may_be_a_link(folder: LoraFolder) -> None:
    """The folder that is configured is trusted, wherever it leads."""
    link = folder.path.parent / "link"
    link.symlink_to(folder.path)
    with LoraFolder(link, max_bytes=10).open(INK, 0) as file:
        assert file.read() == CONTENT


@pytest.mark.parametrize(
    "path", [f"../loras/{INK}", f"/{INK}", "ink.pt", "a\0.safetensors", "é" * 200 + ".safetensors"]
)
def test_hostile_paths_are_refused(folder: LoraFolder, path: str) -> None:
    """The folder looks at the form of a path too, whoever may have looked before."""
    assert "LoRA" in refusal(folder, path)


def test_what_is_no_file_is_refused(folder: LoraFolder) -> None:
    """Folders and pipes are not LoRAs, whatever their names."""
    (folder.path / "folder.safetensors").mkdir()
    os.mkfifo(folder.path / "pipe.safetensors")
    assert refusal(folder, "folder.safetensors") == refusal(folder, "pipe.safetensors")


def test_large_files_are_refused(folder: LoraFolder) -> None:
    """A file may have exactly as many bytes as are allowed."""
    (folder.path / "full.safetensors").write_bytes(b"x" * 10)
    (folder.path / "large.safetensors").write_bytes(b"x" * 11)
    folder.open("full.safetensors", 0).close()
    assert "10 bytes" in refusal(folder, "large.safetensors")


def test_a_file_is_hashed_once(folder: LoraFolder) -> None:
    """While a file keeps its place, size and times, its digest is remembered; touching it costs another look."""
    hashed = []
    stamps = LoraStamps(lambda file: hashed.append(file.read()) or "digest")
    for _ in range(2):
        assert stamps.stamped([Lora(path=INK)], folder) == (Lora(path=INK, digest="digest"),)
    assert hashed == [CONTENT]

    os.utime(folder.path / INK, ns=(0, 0))
    stamps.stamped([Lora(path=INK)], folder)
    assert hashed == [CONTENT] * 2


def test_a_replaced_file_is_hashed_again(folder: LoraFolder) -> None:
    """Another file under the name has another digest, even of the same size and time."""
    stamps = LoraStamps()
    stamps.stamped([Lora(path=INK)], folder)
    status = os.stat(folder.path / INK)
    (folder.path / "new").write_bytes(b"wet")
    os.utime(folder.path / "new", ns=(status.st_atime_ns, status.st_mtime_ns))
    (folder.path / "new").replace(folder.path / INK)

    (lora,) = stamps.stamped([Lora(path=INK)], folder)
    assert lora.digest == digest_of(b"wet")


def test_ordinary_names_are_fine() -> None:
    """Folders, spaces and letters of any language may be part of a path."""
    for path in ("ink.safetensors", "styles/line art (v2).safetensors", "墨/штрих.safetensors", "..ink.safetensors"):
        assert complaint_about(path) is None
