"""Errors in OpenAI's envelope, with the status codes by which its clients choose what to raise."""

import math
from typing import Any

from starlette.responses import JSONResponse

from app.errors import (
    DarkroomError,
    FieldIssue,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    OverloadedError,
    StartTimeoutError,
    UnauthorizedError,
)

_SERVER_ERRORS = 500
# What fal's inputs call the fields of OpenAI's.
_PARAMETERS = {
    "image_url": "image",
    "image_size": "size",
    "num_images": "n",
    "format": "output_format",
    "output_quality": "output_compression",
}


class UnknownModelError(NotFoundError):
    """No model has that name."""


def error_response(error: DarkroomError) -> JSONResponse:
    """The whole answer to a call that failed with this error."""
    return JSONResponse(error_body(error), status_code=_status(error), headers=_headers(error))


def error_body(error: DarkroomError) -> dict[str, Any]:
    """The envelope; of several wrong fields `param` and `code` tell about the first."""
    message, parameter, code = error.detail, None, _code(error)
    if isinstance(error, InvalidInputError):
        message = "; ".join(_sentence(issue) for issue in error.issues)
        parameter, code = _parameter(error.issues[0]), error.issues[0].issue_type
    return {"error": {"message": message, "type": _type(error), "param": parameter, "code": code}}


def _status(error: DarkroomError) -> int:
    return 400 if isinstance(error, InvalidInputError) else error.status


def _type(error: DarkroomError) -> str:
    if isinstance(error, OverloadedError):
        return "rate_limit_error"
    return "server_error" if error.status >= _SERVER_ERRORS else "invalid_request_error"


def _code(error: DarkroomError) -> str:
    match error:
        case UnknownModelError():
            return "model_not_found"
        case UnauthorizedError():
            return "invalid_api_key"
        case ForbiddenError():
            return "insufficient_permissions"
        case OverloadedError():
            return "rate_limit_exceeded"
        case _:
            return error.error_type


def _headers(error: DarkroomError) -> dict[str, str]:
    headers = {}
    if error.retry_after_s is not None:
        headers["Retry-After"] = str(math.ceil(error.retry_after_s))
    if isinstance(error, StartTimeoutError):
        headers["X-Should-Retry"] = "false"
    return headers


def _parameter(issue: FieldIssue) -> str | None:
    field, *inner = (str(part) for part in issue.loc[1:]) if len(issue.loc) > 1 else (None,)
    return None if field is None else ".".join([_PARAMETERS.get(field, field), *inner])


def _sentence(issue: FieldIssue) -> str:
    parameter = _parameter(issue)
    return issue.message if parameter is None else f"{parameter}: {issue.message}"
