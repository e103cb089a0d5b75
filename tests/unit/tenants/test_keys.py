"""API keys: made once, written in fal's form, kept as digests."""

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ConfigurationError
from app.storage.tenants import Scope
from app.tenants.keys import NewKey, PresentedKey, is_good, new_key, opens, presented_key, rotated

SECRET = "s" * 43


def made(**changes: float) -> NewKey:
    """A key of the tenant acme, made at 1000."""
    return new_key("acme", [Scope.READ], now_s=1000.0, **changes)


def shown(key: NewKey) -> PresentedKey:
    """The key as its holder shows it."""
    presented = presented_key(f"Key {key.text}")
    assert presented is not None
    return presented


def test_a_key_is_id_and_secret() -> None:
    """It has the form of a FAL_KEY; what is kept of it does not hold the secret."""
    key = made()
    key_id, _, secret = key.text.partition(":")

    assert key.record.key_id == key_id
    assert key.record.digest == hashlib.sha256(secret.encode()).hexdigest()
    assert secret not in str(key.record)


def test_keys_differ() -> None:
    """Neither ids nor secrets come twice."""
    keys = [made() for _ in range(100)]

    assert len({key.record.key_id for key in keys}) == len({key.record.digest for key in keys}) == 100


def test_secrets_are_not_in_representations() -> None:
    """Neither a new key nor one that was shown gives its secret to whoever prints it."""
    key = made()
    secret = key.text.partition(":")[2]

    assert secret not in f"{key!r} {key} {shown(key)!r} {shown(key)}"


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a-", "a" * 65, "a\n", "ä", "a/b"])
def test_a_tenant_has_a_plain_name(name: str) -> None:
    """What could be mistaken in a path, a log or a terminal is no name."""
    with pytest.raises(ConfigurationError):
        new_key(name, [Scope.READ], now_s=0.0)


def test_a_key_has_a_scope() -> None:
    """A key that may do nothing is not made."""
    with pytest.raises(ConfigurationError):
        new_key("acme", [], now_s=0.0)


@pytest.mark.parametrize("scheme", ["Key", "key", "Bearer", "bearer"])
def test_both_dialects_show_keys(scheme: str) -> None:
    """fal's clients write Key, OpenAI's Bearer, before the same text."""
    key = made()
    presented = presented_key(f"{scheme} {key.text}")

    assert presented is not None
    assert opens(presented, key.record, now_s=1000.0)


@pytest.mark.parametrize("text", ["", "Key", "Key any", "Key any:key", f"Basic dk-{'0' * 16}:{SECRET}", "Bearer e.y.j"])
def test_what_is_no_key_of_ours_is_none(text: str) -> None:
    """Other schemes, tokens, and what clients send because they must send something."""
    assert presented_key(text) is None


@given(st.text())
def test_any_header_is_a_key_or_none(text: str) -> None:
    """Nothing in a header breaks the parser."""
    presented = presented_key(text)
    assert presented is None or len(presented.secret) == 43


def test_another_secret_does_not_open() -> None:
    """Nor does the right one open a key that does not exist."""
    key = made()

    assert not opens(PresentedKey(key.record.key_id, SECRET), key.record, now_s=1000.0)
    assert not opens(shown(key), None, now_s=1000.0)
    assert not opens(PresentedKey(key.record.key_id, ""), None, now_s=1000.0)


def test_a_key_ends() -> None:
    """It is good until its expiry, and not after; revoked, not at all."""
    key = made(expires_s=1010.0).record

    assert [is_good(key, now_s=now_s) for now_s in (1009.9, 1010.0)] == [True, False]
    assert not is_good(replace(key, revoked_s=1001.0), now_s=1005.0)


def test_a_rotated_key_overlaps_with_its_successor() -> None:
    """Both are good for a while; the successor may do the same, for as long as the old one had."""
    old = made(expires_s=1100.0).record
    ending, successor = rotated(old, now_s=1050.0, overlap_s=10.0)

    assert (ending.key_id, ending.expires_s) == (old.key_id, 1060.0)
    assert successor.record.scopes == old.scopes
    assert (successor.record.tenant, successor.record.expires_s) == ("acme", 1150.0)


def test_rotation_makes_no_key_last_longer() -> None:
    """A key that ends before the overlap does still ends then."""
    ending, _ = rotated(made(expires_s=1055.0).record, now_s=1050.0, overlap_s=10.0)

    assert ending.expires_s == 1055.0
