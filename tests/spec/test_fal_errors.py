"""Errors on the wire: one row per error, with its status, its body and the headers that matter."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from app.api.errors import error_body, error_headers, error_response, error_type
from app.errors import (
    AlreadyCompletedError,
    BadRequestError,
    BodyTooLargeError,
    DarkroomError,
    FieldIssue,
    GenerationFailedError,
    InvalidInputError,
    JobCancelledError,
    NotFoundError,
    NotReadyError,
    OverloadedError,
    ReplicaLostError,
    StartTimeoutError,
    StoreUnavailableError,
    UnauthorizedError,
    UnknownRequestError,
)

MISSING = FieldIssue(("body", "prompt"), "Field required", "missing")
TOO_MANY = FieldIssue(("body", "num_images"), "At most 4", "less_than_equal", {"le": 4})
NOT_RETRYABLE = {"X-Fal-Retryable": "false", "X-Fal-Needs-Retry": "0", "X-Fal-Billable-Units": "0"}
RETRYABLE = {"X-Fal-Retryable": "true", "X-Fal-Needs-Retry": "1"}


@dataclass(frozen=True, slots=True)
class Row:
    """What one error looks like to a client."""

    says: str
    error: DarkroomError
    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


def issue(issue: FieldIssue, **extra: Any) -> dict[str, Any]:
    """The issue as fal writes it."""
    return {
        "loc": list(issue.loc),
        "msg": issue.message,
        "type": issue.issue_type,
        "url": f"https://docs.fal.ai/errors/#{issue.issue_type}",
        **extra,
    }


def request_error(detail: str, name: str) -> tuple[dict[str, str], dict[str, str]]:
    """Body and header of a request error."""
    return {"detail": detail, "error_type": name}, {"X-Fal-Error-Type": name}


BAD, BAD_HEADERS = request_error("no number", "bad_request")
CUT, CUT_HEADERS = request_error("too large", "file_too_large")
GONE, GONE_HEADERS = request_error("Request was cancelled", "client_cancelled")
LATE, LATE_HEADERS = request_error("Request timed out", "request_timeout")
FULL, FULL_HEADERS = request_error("come back", "concurrent_requests_limit")
DIED, DIED_HEADERS = request_error("it died", "runner_disconnected")
NO_STORE, NO_STORE_HEADERS = request_error("no store", "internal_server_error")
ODD, ODD_HEADERS = request_error("Internal server error", "internal_error")

ROWS = (
    Row(
        "invalid input names every field and is never worth repeating",
        InvalidInputError((MISSING, TOO_MANY)),
        422,
        {"detail": [issue(MISSING), issue(TOO_MANY, ctx={"le": 4})]},
        NOT_RETRYABLE,
    ),
    Row(
        "a failed generation is the model's own error and may be repeated",
        GenerationFailedError("it broke"),
        500,
        {"detail": [issue(FieldIssue(("body",), "it broke", "internal_server_error"))]},
        RETRYABLE,
    ),
    Row("a malformed call", BadRequestError("no number"), 400, BAD, BAD_HEADERS),
    Row("no acceptable key", UnauthorizedError("Invalid key"), 401, {"detail": "Invalid key"}),
    Row("an unknown path", NotFoundError("Path /x not found"), 404, {"detail": "Path /x not found"}),
    Row("an unknown request", UnknownRequestError("no r"), 404, {"status": "NOT_FOUND"}),
    Row("a result too early", NotReadyError("wait"), 400, {"detail": "Request is still in progress"}),
    Row("a cancellation too late", AlreadyCompletedError("late"), 400, {"status": "ALREADY_COMPLETED"}),
    Row("too large a body", BodyTooLargeError("too large"), 413, CUT, CUT_HEADERS),
    Row("a cancelled request", JobCancelledError("Request was cancelled"), 499, GONE, GONE_HEADERS),
    Row(
        "a start timeout says whose it was, which stops clients from retrying",
        StartTimeoutError("Request timed out"),
        504,
        LATE,
        LATE_HEADERS | {"X-Fal-Request-Timeout-Type": "user"},
    ),
    Row(
        "an overload names whole seconds, rounded up",
        OverloadedError("come back", 1.2),
        429,
        FULL,
        FULL_HEADERS | {"Retry-After": "2"},
    ),
    Row(
        "a lost replica is the server's error",
        ReplicaLostError("it died"),
        503,
        DIED,
        DIED_HEADERS | {"Retry-After": "1"},
    ),
    Row(
        "a store that cannot be reached may be there again soon",
        StoreUnavailableError("no store"),
        503,
        NO_STORE,
        NO_STORE_HEADERS | {"Retry-After": "1"},
    ),
    Row("anything else", DarkroomError("Internal server error"), 500, ODD, ODD_HEADERS),
)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.says)
def test_error(row: Row) -> None:
    """Each error has exactly this status, body and set of headers."""
    assert error_response(row.error).status_code == row.status
    assert error_body(row.error) == row.body
    assert error_headers(row.error) == row.headers


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.says)
def test_error_survives_a_process_boundary(row: Row) -> None:
    """An error that arrives as a subclass which hides its text, as Ray's do, is answered alike."""
    arrived = crossed(row.error)

    assert error_response(arrived).status_code == row.status
    assert error_body(arrived) == row.body
    assert error_headers(arrived) == row.headers
    assert "Traceback" not in error_response(arrived).body.decode()


def crossed(error: DarkroomError) -> DarkroomError:
    """The error as Ray re-raises it: an instance of its class whose attributes live in the cause."""

    class RemoteError(type(error)):  # type: ignore[misc]
        def __init__(self, cause: DarkroomError) -> None:
            self.cause = cause
            self.args = (cause,)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.__dict__["cause"], name)

        def __str__(self) -> str:
            return "Traceback (most recent call last)"

    return RemoteError(error)


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (InvalidInputError((MISSING, TOO_MANY)), "missing"),
        (GenerationFailedError("it broke"), "internal_server_error"),
        (JobCancelledError("gone"), "client_cancelled"),
        (StartTimeoutError("late"), "request_timeout"),
    ],
)
def test_error_type_in_status_objects(error: DarkroomError, name: str) -> None:
    """A status object names an error in fal's vocabulary: the first issue's type for invalid input."""
    assert error_type(error) == name
