"""API keys: how one is made, written, kept and compared.

A secret is 256 random bits, so nobody finds it by trying whatever the digest costs to compute. A plain SHA-256 is
therefore as safe as a slow password hash, whose tenth of a second would be paid by every first call of a key.
"""

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, replace

from app.errors import ConfigurationError
from app.storage.tenants import KeyRecord, Scope

PREFIX = "dk-"
_ID_BYTES = 8
_SECRET_BYTES = 32
_KEY = re.compile(rf"(?P<key_id>{PREFIX}[0-9a-f]{{16}}):(?P<secret>[A-Za-z0-9_-]{{43}})", re.ASCII)
_TENANT = re.compile(r"[a-z0-9](?:[a-z0-9._-]{0,62}[a-z0-9])?", re.ASCII)
_NOBODY = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class PresentedKey:
    """A key as a caller shows it."""

    key_id: str
    secret: str

    def __repr__(self) -> str:
        """Without the secret, so that no log holds it."""
        return f"PresentedKey({self.key_id!r}, …)"


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made; `text` is the only place where its secret ever is."""

    record: KeyRecord
    text: str

    def __repr__(self) -> str:
        """Without the secret, so that no log holds it."""
        return f"NewKey({self.record.key_id!r}, …)"


def new_key(
    tenant: str, scopes: Iterable[Scope], *, now_s: float, expires_s: float | None = None, key_id: str | None = None
) -> NewKey:
    """A key for the tenant; raises ConfigurationError for a name that is none, or for no scope at all."""
    if _TENANT.fullmatch(tenant) is None:
        raise ConfigurationError(f"{tenant!r} names no tenant: use small letters, digits and . _ - between them")
    granted = frozenset(scopes)
    if not granted:
        raise ConfigurationError("a key without a scope may do nothing")
    name = key_id or PREFIX + secrets.token_hex(_ID_BYTES)
    secret = secrets.token_urlsafe(_SECRET_BYTES)
    record = KeyRecord(
        key_id=name,
        tenant=tenant,
        digest=digest_of(secret),
        scopes=granted,
        created_s=now_s,
        expires_s=expires_s,
    )
    return NewKey(record, f"{name}:{secret}")


def rotated(old: KeyRecord, *, now_s: float, overlap_s: float) -> tuple[KeyRecord, NewKey]:
    """The key as it ends after the overlap at the latest, and its successor, which may do the same for as long."""
    lasts_s = None if old.expires_s is None else max(old.expires_s - old.created_s, 0.0)
    successor = new_key(old.tenant, old.scopes, now_s=now_s, expires_s=None if lasts_s is None else now_s + lasts_s)
    end_s = now_s + overlap_s
    return replace(old, expires_s=end_s if old.expires_s is None else min(old.expires_s, end_s)), successor


def digest_of(secret: str) -> str:
    """What is kept of a secret: its SHA-256, in hexadecimal."""
    return hashlib.sha256(secret.encode()).hexdigest()


def presented_key(authorization: str) -> PresentedKey | None:
    """The key in an `Authorization` header, after `Key` as fal's clients write it or `Bearer` as OpenAI's do.

    None for anything that no key of ours looks like.
    """
    if PREFIX not in authorization:
        return None
    scheme, _, text = authorization.partition(" ")
    found = _KEY.fullmatch(text.strip()) if scheme.lower() in ("key", "bearer") else None
    return None if found is None else PresentedKey(found["key_id"], found["secret"])


def opens(presented: PresentedKey, record: KeyRecord | None, *, now_s: float) -> bool:
    """Whether the shown key is this one and still good; takes as long for a key that does not exist."""
    is_same = hmac.compare_digest(digest_of(presented.secret), _NOBODY if record is None else record.digest)
    return is_same and record is not None and is_good(record, now_s=now_s)


def is_good(record: KeyRecord, *, now_s: float) -> bool:
    """Whether the key has neither been revoked nor expired."""
    return record.revoked_s is None and (record.expires_s is None or now_s < record.expires_s)
