"""The server's one secret: made at the first start, kept where only its owner reads it, never shown."""

import contextlib
import os
import secrets
from pathlib import Path

from app.config import StorageSettings
from app.errors import ConfigurationError

FILE_NAME = ".secret"
_LENGTH = 32


def open_secret(settings: StorageSettings) -> bytes:
    """The configured secret, or the one beside the blobs that all processes share; made when there is none.

    Raises ConfigurationError for a file that is too short to be one, or blobs that are no folder.
    """
    return read_or_make(_path(settings))


def read_or_make(path: Path) -> bytes:
    """The secret in the file; of several processes that find none, one makes it and all agree."""
    if not path.exists():
        _make(path)
    secret = path.read_bytes()
    if len(secret) < _LENGTH:
        raise ConfigurationError(f"{path}: a secret has at least {_LENGTH} bytes")
    return secret


def _path(settings: StorageSettings) -> Path:
    if settings.secret_file is not None:
        return Path(settings.secret_file).expanduser()
    if "://" in settings.blobs:
        raise ConfigurationError("storage.secret_file: name one; only a folder of blobs has a place for it")
    return Path(settings.blobs).expanduser() / FILE_NAME


def _make(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(secrets.token_bytes(_LENGTH))
    with contextlib.suppress(FileExistsError):
        os.link(draft, path)
    draft.unlink()
