"""LoRA files: what a request may name, where it lies, and which content it had when it was asked for."""

import hashlib
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path
from typing import Any

from app.config import VariantSettings
from app.errors import FieldIssue, InvalidInputError
from app.generation import Lora

SUFFIX = ".safetensors"
_MAX_PATH_LENGTH = 255


def complaint_about(path: str) -> str | None:
    """What is wrong with the form of a path that a request names; None when nothing is."""
    if len(path) > _MAX_PATH_LENGTH:
        return f"The path of a LoRA has at most {_MAX_PATH_LENGTH} characters"
    parts = path.split("/")
    if not path.isprintable() or {"\\", ":"} & set(path) or {"", ".", ".."} & set(parts):
        return "Name a LoRA by its path below the folder of LoRAs, for example styles/ink.safetensors"
    return None if path.endswith(SUFFIX) else f"The name of a LoRA ends with {SUFFIX}"


def refused_lora(index: int, message: str, issue_type: str = "value_error", **context: Any) -> InvalidInputError:
    """The error for the LoRA at that place of a request."""
    return InvalidInputError((FieldIssue(("body", "loras", index, "path"), message, issue_type, context),))


@dataclass(frozen=True, slots=True)
class LoraFolder:
    """The folder below which a variant's LoRAs lie, and the largest file in bytes that is read."""

    path: Path
    max_bytes: int

    def read(self, lora: Lora, index: int) -> bytes:
        """The file's bytes; raises InvalidInputError when it is not there or not what the request was stamped with."""
        with self.open(lora.path, index) as file:
            data = file.read(self.max_bytes + 1)
        if hashlib.sha256(data).hexdigest() != lora.digest:
            raise refused_lora(index, "The LoRA was replaced after the request was made; make it again")
        return data

    def open(self, path: str, index: int) -> BufferedReader:
        """The file, for reading; raises InvalidInputError that tells nothing about what lies outside the folder."""
        if complaint := complaint_about(path):
            raise refused_lora(index, complaint)
        try:
            file = self._inside(path).open("rb")
        except OSError as error:
            raise refused_lora(index, "There is no LoRA of that name") from error
        if os.fstat(file.fileno()).st_size > self.max_bytes:
            file.close()
            raise refused_lora(
                index, f"The LoRA is larger than {self.max_bytes} bytes", "file_too_large", max_size=self.max_bytes
            )
        return file

    def _inside(self, path: str) -> Path:
        root = Path(os.path.realpath(self.path.expanduser()))
        found = Path(os.path.realpath(root / path))
        if found.is_relative_to(root) and os.path.isfile(found):
            return found
        raise FileNotFoundError(path)


def lora_folder_of(settings: VariantSettings) -> LoraFolder | None:
    """Where the variant's LoRAs lie; None when it takes none."""
    return None if settings.lora_folder is None else LoraFolder(Path(settings.lora_folder), settings.max_lora_bytes)


def sha256_of(file: BufferedReader) -> str:
    """The digest of the rest of a file, in hexadecimal digits."""
    return hashlib.file_digest(file, "sha256").hexdigest()


class LoraStamps:
    """Stamps LoRAs with the digest of their files' content; a file is hashed again only after it changed."""

    def __init__(self, hash_file: Callable[[BufferedReader], str] = sha256_of) -> None:
        self._hash_file = hash_file
        self._known: dict[tuple[LoraFolder, str], tuple[tuple[int, ...], str]] = {}

    def stamped(self, loras: Iterable[Lora], folder: LoraFolder) -> tuple[Lora, ...]:
        """The LoRAs with their digests; raises InvalidInputError for one whose file cannot be used."""
        return tuple(replace(lora, digest=self._digest(lora.path, folder, index)) for index, lora in enumerate(loras))

    def _digest(self, path: str, folder: LoraFolder, index: int) -> str:
        with folder.open(path, index) as file:
            version = _version(os.fstat(file.fileno()))
            known = self._known.get((folder, path))
            if known is not None and known[0] == version:
                return known[1]
            digest = self._hash_file(file)
        self._known[folder, path] = version, digest
        return digest


def _version(status: os.stat_result) -> tuple[int, ...]:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns
