"""Names of blobs: safe on every store, unguessable for finished pictures."""

import hashlib
import re

from app.errors import NotFoundError

_KEY = re.compile(r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*")


def content_key(data: bytes, extension: str) -> str:
    """The key of a finished picture: equal bytes have equal keys, and nobody guesses one without the bytes."""
    return f"{hashlib.sha256(data).hexdigest()[:40]}.{extension}"


def scratch_key(job_id: str) -> str:
    """The key of the native picture of one job, deleted once the upscaler has finished it."""
    return f"scratch/{job_id}.png"


def checked_key(key: str) -> str:
    """The key itself when it is well formed; raises NotFoundError for anything that could leave the store."""
    if _KEY.fullmatch(key) is None:
        raise NotFoundError("no such file")
    return key
