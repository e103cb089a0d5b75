"""Short-lived tokens."""

import jwt
import pytest
from fakes import FakeClock
from hypothesis import given
from hypothesis import strategies as st

from app.api.tokens import Purpose, Tokens, derived_key
from app.errors import UnauthorizedError

SECRET = b"s" * 32


def test_a_token_carries_its_claims() -> None:
    """What was said at issue is found at the check, with the time of expiry."""
    tokens = Tokens(SECRET, clock=FakeClock(1000.0))
    token, expires_s = tokens.issue(Purpose.REALTIME, lifetime_s=120, apps=["flux"])

    assert tokens.claims(token, Purpose.REALTIME) == {"apps": ["flux"], "aud": "realtime", "exp": 1120}
    assert expires_s == 1120


def test_a_token_is_good_for_one_purpose() -> None:
    """A token for one thing does not open another."""
    tokens = Tokens(SECRET, clock=FakeClock())
    token, _ = tokens.issue(Purpose.REALTIME, lifetime_s=120)

    with pytest.raises(UnauthorizedError):
        tokens.claims(token, Purpose.UPLOAD)


def test_a_token_expires() -> None:
    """It is good until its time, and not after."""
    clock = FakeClock(1000.0)
    tokens = Tokens(SECRET, clock=clock)
    token, expires_s = tokens.issue(Purpose.UPLOAD, lifetime_s=10)
    clock.now_s = expires_s - 1.0
    tokens.claims(token, Purpose.UPLOAD)
    clock.now_s = expires_s

    with pytest.raises(UnauthorizedError):
        tokens.claims(token, Purpose.UPLOAD)


def test_another_server_makes_no_tokens() -> None:
    """A token signed with another secret, or with none, is refused."""
    tokens = Tokens(SECRET, clock=FakeClock())
    foreign, _ = Tokens(b"t" * 32, clock=FakeClock()).issue(Purpose.UPLOAD, lifetime_s=10)
    unsigned = jwt.encode({"aud": "upload", "exp": 2_000_000_000}, None, algorithm="none")
    endless = jwt.encode({"aud": "upload"}, derived_key(SECRET, "tokens"), algorithm="HS256")

    for token in (foreign, unsigned, endless):
        with pytest.raises(UnauthorizedError):
            tokens.claims(token, Purpose.UPLOAD)


@given(st.text())
def test_no_text_is_a_token_by_chance(text: str) -> None:
    """Whatever is sent as a token is refused as one."""
    with pytest.raises(UnauthorizedError):
        Tokens(SECRET, clock=FakeClock()).claims(text, Purpose.UPLOAD)


def test_keys_for_different_uses_differ() -> None:
    """One secret gives keys that do not give each other away."""
    assert len({derived_key(SECRET, "a"), derived_key(SECRET, "b"), SECRET}) == 3
