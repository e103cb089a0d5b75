"""Requests and views as text."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from fakes import make_request
from hypothesis import given
from hypothesis import strategies as st

from app.compound import CompoundRequest, CompoundResult
from app.errors import (
    ConfigurationError,
    DarkroomError,
    FieldIssue,
    GenerationFailedError,
    InvalidInputError,
    OverloadedError,
    QuotaExceededError,
)
from app.generation import Generation, GenerationRequest
from app.storage.jobs import LogLine, RequestState, RequestView
from app.storage.jobs.codec import decode_request, decode_view, encode_request, encode_view

PLAIN = st.characters(codec=None)
VALUES = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
JSON = st.dictionaries(st.text(), VALUES | st.lists(VALUES) | st.dictionaries(st.text(), VALUES))
ARGUMENTS: dict[type[DarkroomError], tuple[Any, ...]] = {
    InvalidInputError: ((FieldIssue(("body", 0), "no", "value_error", {"limit": [1, None]}),),),
    OverloadedError: ("full", 2.5),
    QuotaExceededError: ("used up", 2.5),
}


def kinds(root: type[DarkroomError] = DarkroomError) -> Iterator[type[DarkroomError]]:
    """Every class of the error tree."""
    yield root
    for kind in root.__subclasses__():
        yield from kinds(kind)


@given(st.from_type(GenerationRequest))
def test_every_request_comes_back(request: GenerationRequest) -> None:
    """Whatever it holds, its text is ASCII and gives the same request."""
    text = encode_request(request)
    assert text.isascii()
    assert repr(decode_request(text)) == repr(request)  # not a number equals nothing


@given(st.from_type(Generation), st.lists(st.builds(LogLine, st.text(PLAIN), st.floats(0, 1e10)), max_size=3))
def test_every_view_comes_back(generation: Generation, logs: list[LogLine]) -> None:
    """State, log and result are the same afterwards."""
    view = RequestView(
        request_id=generation.request_id,
        endpoint="fal-ai/flux/schnell",
        state=RequestState.COMPLETED,
        logs=tuple(logs),
        inference_s=generation.inference_s,
        generation=generation,
    )
    assert repr(decode_view(encode_view(view))) == repr(view)


@given(st.from_type(CompoundRequest), JSON)
def test_every_compound_request_comes_back(request: CompoundRequest, output: dict[str, Any]) -> None:
    """Work that is made of others is kept as such, and so is what came of it."""
    result = CompoundResult(request_id="a", output=output, inference_s=1.0)
    view = RequestView(request_id="a", endpoint="e", generation=result, tags=(("team", "a"),))

    assert repr(decode_request(encode_request(request))) == repr(request)
    assert decode_view(encode_view(view)) == view


@pytest.mark.parametrize("kind", [kind for kind in kinds() if kind.__module__ == "app.errors"])
def test_every_error_comes_back(kind: type[DarkroomError]) -> None:
    """Class, detail and all arguments of each error in the tree are kept."""
    error = kind(*ARGUMENTS.get(kind, ("detail",)))
    found = decode_view(encode_view(RequestView(request_id="a", endpoint="e", error=error))).error
    assert (type(found), found.args, found.detail) == (kind, error.args, error.detail)


def test_fields_that_are_new_have_their_defaults() -> None:
    """What an earlier version kept, without fields that came later, is still a request."""
    sealed = json.loads(encode_request(make_request("a")))
    for field in ("ephemeral", "previews", "inline"):
        del sealed["content"][field]
    assert decode_request(json.dumps(sealed)) == make_request("a")


def test_a_newer_format_is_refused() -> None:
    """This version says that it cannot read it, and does not guess."""
    with pytest.raises(ConfigurationError, match="format 999"):
        decode_request('{"format": 999, "content": {}}')


def test_an_unknown_error_is_a_failure() -> None:
    """An error class that this version does not have is shown with its detail."""
    sealed = json.loads(encode_view(RequestView(request_id="a", endpoint="e", error=DarkroomError("why"))))
    sealed["content"]["error"]["type"] = "MeltdownError"
    error = decode_view(json.dumps(sealed)).error
    assert (type(error), error.detail) == (GenerationFailedError, "why")
