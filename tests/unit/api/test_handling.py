"""What callers say about how their requests are handled."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.fal.headers import handling
from app.errors import BadRequestError
from app.handling import USUAL, Handling, Retries

LIFECYCLE = "x-fal-object-lifecycle-preference"


def test_nothing_said() -> None:
    """Without headers everything is as usual."""
    assert handling({}) == USUAL


@pytest.mark.parametrize(
    ("headers", "retries"),
    [
        ({"x-fal-no-retry": "1"}, Retries(0, 0)),
        ({"x-fal-no-retry": " Yes "}, Retries(0, 0)),
        ({"x-fal-no-retry": "0"}, Retries()),
        ({"x-fal-retry-config": '{"server_error": {"retries": 2}}'}, Retries(server_error=2)),
        ({"x-fal-retry-config": '{"connection_error": {"retries": 0}, "timeout": {"retries": 9}}'}, Retries(0)),
        ({"x-fal-no-retry": "true", "x-fal-retry-config": '{"server_error": {"retries": 2}}'}, Retries(0, 0)),
        ({"x-fal-retry-config": '{"server_error": {"retries": -1}, "connection_error": {"retries": true}}'}, Retries()),
        ({"x-fal-retry-config": "[]"}, Retries()),
        ({"x-fal-retry-config": "{"}, Retries()),
    ],
)
def test_retries(headers: dict[str, str], retries: Retries) -> None:
    """None at all beats so many of each kind; what is malformed counts for nothing."""
    assert handling(headers).retries == retries


@given(st.recursive(st.none() | st.integers() | st.text(max_size=3), lambda part: st.dictionaries(st.text(), part)))
def test_any_configuration(wish: object) -> None:
    """Whatever it says, it is read."""
    assert handling({"x-fal-retry-config": json.dumps(wish)}).retries == Retries()


def test_hints() -> None:
    """A hint is a text of some length."""
    assert handling({"x-fal-runner-hint": " lora-7 "}).hint == "lora-7"
    assert len(handling({"x-fal-runner-hint": "x" * 9999}).hint) == 256


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("team=a, job = b=c ,flag", (("team", "a"), ("job", "b=c"), ("flag", ""))),
        ("a=1,a=2", (("a", "2"),)),
        (" , ", ()),
    ],
)
def test_tags(text: str, tags: tuple[tuple[str, str], ...]) -> None:
    """Labels are pairs, in their order; the last of a name counts."""
    assert handling({"x-fal-tags": text}).tags == tags


@pytest.mark.parametrize("text", [",".join(f"{number}=x" for number in range(33)), "a=" + "x" * 256])
def test_too_many_tags(text: str) -> None:
    """Labels are few and short."""
    with pytest.raises(BadRequestError, match="X-Fal-Tags"):
        handling({"x-fal-tags": text})


def test_lifetimes() -> None:
    """Files of the output may be wanted for some time only."""
    assert handling({LIFECYCLE: '{"expiration_duration_seconds": 60}'}) == Handling(output_lifetime_s=60.0)
    assert handling({LIFECYCLE: '{"initial_acl": {"default": "allow"}}'}) == USUAL


@pytest.mark.parametrize(
    "text",
    ["{", '{"expiration_duration_seconds": -1}', '{"initial_acl": {"default": "hide"}}', '{"initial_acl": "forbid"}'],
)
def test_lifetimes_that_cannot_be_had(text: str) -> None:
    """A wish that would not be kept is refused: so is an access list, because who knows a URL may read the file."""
    with pytest.raises(BadRequestError):
        handling({LIFECYCLE: text})
