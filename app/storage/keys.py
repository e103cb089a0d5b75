"""Names of blobs: safe on every store, unguessable for finished pictures."""

import hashlib
import re

from app.errors import NotFoundError

UPLOADS = "uploads"
PARTS = "parts"

_KEY = re.compile(r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*")
_EXPIRING = re.compile(rf"(?:{UPLOADS}|{PARTS})/[0-9a-f]+-(?P<expires_s>[0-9]+)(?:[./].*)?")


def content_key(data: bytes, extension: str) -> str:
    """The key of a finished picture: equal bytes have equal keys, and nobody guesses one without the bytes."""
    return f"{hashlib.sha256(data).hexdigest()[:40]}.{extension}"


def scratch_key(job_id: str) -> str:
    """The key of the native picture of one job, deleted once the upscaler has finished it."""
    return f"scratch/{job_id}.png"


def upload_key(token: str, extension: str, *, expires_s: int | None) -> str:
    """The key of a caller's file: a hexadecimal token that nobody guesses, and the epoch second when it expires."""
    return f"{UPLOADS}/{_expiring(token, expires_s)}.{extension}"


def parts_folder(token: str, *, expires_s: int) -> str:
    """The folder of the parts of one upload, which are forgotten after that epoch second."""
    return f"{PARTS}/{_expiring(token, expires_s)}"


def expiry_s(key: str) -> int | None:
    """The epoch second after which the key must not be found any more; None for one that stays."""
    found = _EXPIRING.fullmatch(key)
    return None if found is None else int(found["expires_s"])


def _expiring(token: str, expires_s: int | None) -> str:
    return token if expires_s is None else f"{token}-{expires_s}"


def checked_key(key: str) -> str:
    """The key itself when it is well formed; raises NotFoundError for anything that could leave the store."""
    if _KEY.fullmatch(key) is None:
        raise NotFoundError("no such file")
    return key
