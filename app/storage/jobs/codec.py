"""Requests and views as JSON with a format number, so that a later version reads what an earlier one kept."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from app.compound import CompoundRequest, CompoundResult, QueuedRequest
from app.errors import ConfigurationError, DarkroomError, FieldIssue, GenerationFailedError, InvalidInputError
from app.generation import LOCAL_TENANT, Generation, GenerationRequest
from app.storage.jobs.contract import LogLine, RequestState, RequestView

# 2: requests that are made of others, and their results.
FORMAT = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class _KeptView:
    request_id: str
    endpoint: str
    state: RequestState
    logs: tuple[LogLine, ...] = ()
    error: dict[str, Any] | None = None
    inference_s: float | None = None
    generation: Generation | CompoundResult | None = None
    tenant: str = LOCAL_TENANT
    tags: tuple[tuple[str, str], ...] = ()


_REQUEST: TypeAdapter[QueuedRequest] = TypeAdapter(GenerationRequest | CompoundRequest)
_VIEW = TypeAdapter(_KeptView)
_ISSUES = TypeAdapter(tuple[FieldIssue, ...])


def encode_request(request: QueuedRequest) -> str:
    """The whole request as ASCII text, so that it can be worked on again."""
    return _sealed(_REQUEST.dump_python(request, mode="json"))


def decode_request(text: str) -> QueuedRequest:
    """The request; raises ConfigurationError for one that a newer version wrote."""
    return _REQUEST.validate_python(_opened(text))


def encode_view(view: RequestView) -> str:
    """The view as ASCII text, its place in the queue left out."""
    kept = _KeptView(
        request_id=view.request_id,
        endpoint=view.endpoint,
        state=view.state,
        logs=view.logs,
        error=None if view.error is None else _error_data(view.error),
        inference_s=view.inference_s,
        generation=view.generation,
        tenant=view.tenant,
        tags=view.tags,
    )
    return _sealed(_VIEW.dump_python(kept, mode="json"))


def decode_view(text: str) -> RequestView:
    """The view; raises ConfigurationError for one that a newer version wrote."""
    kept = _VIEW.validate_python(_opened(text))
    return RequestView(
        request_id=kept.request_id,
        endpoint=kept.endpoint,
        state=kept.state,
        logs=kept.logs,
        error=None if kept.error is None else _error(kept.error),
        inference_s=kept.inference_s,
        generation=kept.generation,
        tenant=kept.tenant,
        tags=kept.tags,
    )


def _sealed(content: Any) -> str:
    return json.dumps({"format": FORMAT, "content": content}, separators=(",", ":"))


def _opened(text: str) -> Any:
    sealed = json.loads(text)
    if sealed["format"] > FORMAT:
        raise ConfigurationError(f"a kept request has format {sealed['format']}; this version reads {FORMAT}")
    return sealed["content"]


def _error_data(error: DarkroomError) -> dict[str, Any]:
    if isinstance(error, InvalidInputError):
        return {"type": InvalidInputError.__name__, "issues": _ISSUES.dump_python(error.issues, mode="json")}
    return {"type": type(error).__name__, "arguments": list(error.args)}


def _error(data: dict[str, Any]) -> DarkroomError:
    if "issues" in data:
        return InvalidInputError(_ISSUES.validate_python(data["issues"]))
    kind = _kinds().get(data["type"], GenerationFailedError)
    return kind(*data["arguments"])


@cache
def _kinds() -> dict[str, type[DarkroomError]]:
    return {kind.__name__: kind for kind in _tree(DarkroomError)}


def _tree(root: type[DarkroomError]) -> Iterator[type[DarkroomError]]:
    yield root
    for kind in root.__subclasses__():
        yield from _tree(kind)
