"""Headers, query parameters and paths as clients write them."""

import math
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.api.fal.headers import max_queue_length, queue_tier, start_timeout_s, wants_logs
from app.api.fal.paths import QueueAction, queue_call, request_path
from app.errors import BadRequestError, NotFoundError
from app.generation import Tier

ENDPOINT_IDS = st.lists(st.from_regex(r"[a-z0-9-]{1,8}", fullmatch=True), min_size=2, max_size=5).map("/".join)


@pytest.mark.parametrize(
    ("text", "seconds"), [("1.1", 1.1), ("60", 60.0), ("0.2", 0.2), ("1e3", 1000.0), ("1e+16", 1e16), ("5.", 5.0)]
)
def test_start_timeout(text: str, seconds: float) -> None:
    """The header is a number of seconds, as Python or JavaScript print it."""
    assert start_timeout_s({"x-fal-request-timeout": text}) == seconds


@pytest.mark.parametrize(
    "text", ["", "soon", "0", "0.1", "-1", "+1", "nan", "inf", "1e999", "1_0", " 1", "1s", "0x10", "1,5", "٣"]
)
def test_malformed_start_timeout_is_refused(text: str) -> None:
    """Anything but a finite number above 0.1 is a bad request."""
    with pytest.raises(BadRequestError):
        start_timeout_s({"x-fal-request-timeout": text})


@given(st.text(max_size=20))
def test_any_start_timeout_is_a_finite_number_or_refused(text: str) -> None:
    """No text gets through that could not be waited for."""
    with suppress(BadRequestError):
        timeout_s = start_timeout_s({"x-fal-request-timeout": text})

        assert timeout_s is not None
        assert 0.1 < timeout_s < math.inf


@given(st.floats(min_value=0.11, max_value=1e12))
def test_every_number_a_client_prints_is_understood(seconds: float) -> None:
    """What Python's client writes arrives unchanged."""
    assert start_timeout_s({"x-fal-request-timeout": str(seconds)}) == seconds


def test_absent_headers_have_defaults() -> None:
    """No header: no start timeout, standard tier, no cap, no logs."""
    assert start_timeout_s({}) is None
    assert queue_tier({}) is Tier.STANDARD
    assert max_queue_length({}) is None
    assert not wants_logs({})


@pytest.mark.parametrize("text", ["", "-1", "1.5", "many", "9999999999", "²"])
def test_malformed_queue_length_is_refused(text: str) -> None:
    """The cap is a whole number."""
    with pytest.raises(BadRequestError):
        max_queue_length({"fal_max_queue_length": text})


@given(ENDPOINT_IDS, st.sampled_from(["", "/"]))
def test_request_paths_are_understood(endpoint_id: str, slash: str) -> None:
    """The path that we give out is the path that we understand, with or without a slash at its end."""
    call = queue_call(request_path(endpoint_id, "r-1") + slash)

    assert (call.request_id, call.action) == ("r-1", QueueAction.RESULT)


@pytest.mark.parametrize(
    ("tail", "action"),
    [
        ("", QueueAction.RESULT),
        ("/response", QueueAction.RESULT),
        ("/status", QueueAction.STATUS),
        ("/status/stream", QueueAction.STATUS_STREAM),
        ("/cancel", QueueAction.CANCEL),
    ],
)
@pytest.mark.parametrize("app", ["fal-ai/flux", "fal-ai/flux/dev/image-to-image", "workflows/a/b", "a/requests/b"])
def test_actions(app: str, tail: str, action: QueueAction) -> None:
    """Every call about a request is found below its app or its full endpoint id."""
    assert queue_call(f"{app}/requests/id{tail}").action is action


@pytest.mark.parametrize(
    "path",
    [
        "",
        "fal-ai/flux",
        "fal-ai/requests/id",
        "/fal-ai/flux/requests/id",
        "fal-ai/flux/requests/",
        "fal-ai/flux/requests/id//",
        "fal-ai/flux/requests/id/nothing",
        "fal-ai/flux/requests/id/status/cancel",
        "fal-ai/flux/requests/i d",
        "fal-ai/flux/requests/id\r\nx: y",
        "fal-ai/flux/requests/" + "i" * 65,
    ],
)
def test_other_paths_are_not_found(path: str) -> None:
    """What is not a call about a request is not found."""
    with pytest.raises(NotFoundError):
        queue_call(path)
