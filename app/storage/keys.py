"""Names of blobs: safe on every store, unguessable for finished pictures."""

import hashlib
import re

from app.errors import NotFoundError

UPLOADS = "uploads"
PARTS = "parts"
DERIVED = "derived"

# No folder or file of a disk has a longer name than 255 octets; drafts need some of them.
LONGEST_KEY = 200

_KEY = re.compile(r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*")
_EXPIRING = re.compile(rf"(?:{UPLOADS}|{PARTS})/[0-9a-f]+-(?P<expires_s>[0-9]{{1,12}})(?:[./].*)?")


def content_key(data: bytes, extension: str, *, salt: str = "") -> str:
    """The key of a finished picture: equal bytes have equal keys under one salt.

    Nobody guesses a key without the bytes, and with a salt that is secret, not even with them.
    """
    return f"{hashlib.sha256(salt.encode() + data).hexdigest()[:40]}.{extension}"


def derived_folder(key: str) -> str:
    """The folder of what is made of a finished picture for those who want it otherwise; it goes with the picture."""
    return f"{DERIVED}/{key.rpartition('.')[0]}"


def derived_key(key: str, name: str, extension: str) -> str:
    """The key of one version of a finished picture."""
    return f"{derived_folder(key)}/{name}.{extension}"


def scratch_key(job_id: str) -> str:
    """The key of the native picture of one job, deleted once the upscaler has finished it."""
    return f"scratch/{job_id}.png"


def latents_key(job_id: str, step: int) -> str:
    """The key of the latents that the native picture of one job had after so many steps."""
    return f"latents/{job_id}.{step}"


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
    """The key itself when it is well formed; raises NotFoundError for what could leave the store, or fits in none."""
    if _KEY.fullmatch(key) is None or len(key) > LONGEST_KEY:
        raise NotFoundError("no such file")
    return key
