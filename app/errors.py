"""Everything that can go wrong, as one tree.

DarkroomError
├── RequestError                  the caller can fix it
│   ├── InvalidInputError         422, one issue per field
│   ├── BadRequestError           400
│   ├── UnauthorizedError         401
│   ├── ForbiddenError            403, the key may not do that
│   ├── NotFoundError             404
│   │   └── UnknownRequestError   404, no such request id
│   ├── NotReadyError             400, the result is not there yet
│   ├── AlreadyCompletedError     400, nothing left to cancel
│   ├── BodyTooLargeError         413
│   └── RepeatedKeyError          422, another request came with this idempotency key
├── JobCancelledError             499
├── StartTimeoutError             504, no slot in the time the caller allowed
├── OverloadedError               429, with a time to come back
│   └── QuotaExceededError        429, the tenant has used up what it may
├── ConfigurationError            500, at start-up: the configuration cannot be served
├── StoreUnavailableError         503, requests or files can neither be kept nor looked up now
├── LeaseLostError                500, inside: another process works on the request
└── GenerationFailedError         500
    └── ReplicaLostError          503, the process that made the picture died
        └── RouterLostError       503, the process that leads to it did; the job itself is above suspicion

Every class passes all its arguments to `super().__init__`, so that it survives pickling
between processes. Only `detail` may be shown to a client; `str(error)` may not.
"""

from dataclasses import dataclass, field
from typing import Any


class DarkroomError(Exception):
    """Base of every error that Darkroom raises on purpose."""

    status = 500
    error_type = "internal_error"

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail

    @property
    def retry_after_s(self) -> float | None:
        """Seconds after which the same call may succeed, where that is known."""
        return None


@dataclass(frozen=True, slots=True)
class FieldIssue:
    """One thing wrong with one field, in the vocabulary of fal's model errors."""

    loc: tuple[str | int, ...]
    message: str
    issue_type: str
    context: dict[str, Any] = field(default_factory=dict)


class RequestError(DarkroomError):
    """The request cannot be served as it stands."""

    status = 400
    error_type = "bad_request"


class InvalidInputError(RequestError):
    """One or more fields are wrong; `issues` names each."""

    status = 422
    error_type = "invalid_input"

    def __init__(self, issues: tuple[FieldIssue, ...]) -> None:
        DarkroomError.__init__(self, "; ".join(issue.message for issue in issues))
        self.args = (issues,)
        self.issues = issues


class BadRequestError(RequestError):
    """The request is malformed outside its model input (a header, a query parameter, the JSON itself)."""


class UnauthorizedError(RequestError):
    """The call carries no acceptable key."""

    status = 401
    error_type = "unauthorized"


class ForbiddenError(RequestError):
    """The key is good, but not for this."""

    status = 403
    error_type = "forbidden"


class NotFoundError(RequestError):
    """Nothing is served under that name."""

    status = 404
    error_type = "not_found"


class UnknownRequestError(NotFoundError):
    """No request has that id."""


class NotReadyError(RequestError):
    """The request is still in progress, so it has no result yet."""


class AlreadyCompletedError(RequestError):
    """The request is complete, so it cannot be cancelled."""


class BodyTooLargeError(RequestError):
    """The request body is larger than the server accepts."""

    status = 413
    error_type = "file_too_large"


class RepeatedKeyError(RequestError):
    """The idempotency key belongs to a request with another input."""

    status = 422
    error_type = "idempotency_key_reused"


class JobCancelledError(DarkroomError):
    """The job was cancelled before it finished."""

    status = 499
    error_type = "client_cancelled"


class StartTimeoutError(DarkroomError):
    """No replica could start the job within the time that the caller allowed."""

    status = 504
    error_type = "request_timeout"


class OverloadedError(DarkroomError):
    """The job cannot be taken now; come back after `retry_after_s` seconds."""

    status = 429
    error_type = "concurrent_requests_limit"

    def __init__(self, detail: str, retry_after: float) -> None:
        DarkroomError.__init__(self, detail)
        self.args = (detail, retry_after)
        self._retry_after_s = retry_after

    @property
    def retry_after_s(self) -> float:
        """Seconds after which the same call may succeed."""
        return self._retry_after_s


class QuotaExceededError(OverloadedError):
    """The tenant has used up what it may use now; come back after `retry_after_s` seconds."""

    error_type = "rate_limit_exceeded"


class ConfigurationError(DarkroomError):
    """The configuration names something that this machine or this build cannot serve."""

    error_type = "configuration_error"


class StoreUnavailableError(DarkroomError):
    """A store could not be reached in time, so nothing is known about the request, or can be kept of it."""

    status = 503
    error_type = "internal_server_error"

    @property
    def retry_after_s(self) -> float:
        """Seconds after which the same call may succeed."""
        return 1.0


class LeaseLostError(DarkroomError):
    """Another process has taken the request over, so what this one makes of it does not count."""


class GenerationFailedError(DarkroomError):
    """The picture could not be made; the cause is in the server's log."""

    error_type = "internal_server_error"


class ReplicaLostError(GenerationFailedError):
    """The process that worked on the job died; its place is taken by another within seconds."""

    status = 503
    error_type = "runner_disconnected"

    @property
    def retry_after_s(self) -> float:
        """Seconds after which the same call may succeed."""
        return 1.0


class RouterLostError(ReplicaLostError):
    """The process that holds the queues died, which no job of its own can bring about."""
