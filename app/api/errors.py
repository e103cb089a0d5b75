"""The one place where errors become HTTP answers, in fal's two shapes: model errors and request errors."""

import math
from typing import Any

from starlette.responses import JSONResponse

from app.errors import (
    AlreadyCompletedError,
    DarkroomError,
    FieldIssue,
    ForbiddenError,
    GenerationFailedError,
    InvalidInputError,
    NotFoundError,
    NotReadyError,
    ReplicaLostError,
    StartTimeoutError,
    UnauthorizedError,
    UnknownRequestError,
)

_EXPLANATIONS = "https://docs.fal.ai/errors/#"


def error_response(error: DarkroomError) -> JSONResponse:
    """The whole answer to a call that failed with this error."""
    return JSONResponse(error_body(error), status_code=error.status, headers=error_headers(error))


def error_body(error: DarkroomError) -> dict[str, Any]:
    """The JSON body: a list of issues for a model error, text and type for a request error."""
    match error:
        case UnknownRequestError():
            return {"status": "NOT_FOUND"}
        case AlreadyCompletedError():
            return {"status": "ALREADY_COMPLETED"}
        case NotReadyError():
            return {"detail": "Request is still in progress"}
        case NotFoundError() | UnauthorizedError() | ForbiddenError():
            return {"detail": error.detail}
    if is_model_error(error):
        return {"detail": [_issue_body(issue) for issue in _issues(error)]}
    return {"detail": error.detail, "error_type": error.error_type}


def error_headers(error: DarkroomError) -> dict[str, str]:
    """The headers by which clients decide whether to call again."""
    headers = _retry_headers(error)
    if "error_type" in error_body(error):
        headers["X-Fal-Error-Type"] = error.error_type
    if isinstance(error, InvalidInputError):
        headers["X-Fal-Billable-Units"] = "0"
    if isinstance(error, StartTimeoutError):
        headers["X-Fal-Request-Timeout-Type"] = "user"
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    return headers


def error_type(error: DarkroomError) -> str:
    """The error's name in fal's vocabulary: the type of the first issue for a model error."""
    return _issues(error)[0].issue_type if is_model_error(error) else error.error_type


def is_model_error(error: DarkroomError) -> bool:
    """Whether fal's protocol reports this error as the model's, with a list of issues."""
    if isinstance(error, ReplicaLostError):
        return False
    return isinstance(error, InvalidInputError | GenerationFailedError)


def _issues(error: DarkroomError) -> tuple[FieldIssue, ...]:
    if isinstance(error, InvalidInputError):
        return error.issues
    return (FieldIssue(("body",), error.detail, error.error_type),)


def _issue_body(issue: FieldIssue) -> dict[str, Any]:
    body: dict[str, Any] = {
        "loc": list(issue.loc),
        "msg": issue.message,
        "type": issue.issue_type,
        "url": f"{_EXPLANATIONS}{issue.issue_type}",
    }
    return body | {"ctx": issue.context} if issue.context else body


def _retry_headers(error: DarkroomError) -> dict[str, str]:
    if not is_model_error(error):
        return {}
    retryable = not isinstance(error, InvalidInputError)
    return {"X-Fal-Retryable": str(retryable).lower(), "X-Fal-Needs-Retry": str(int(retryable))}
