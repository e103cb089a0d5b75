"""How fal's clients spell paths."""

import re
from dataclasses import dataclass
from enum import Enum, auto

from app.errors import NotFoundError

_NAMESPACES = ("workflows", "comfy")
_REQUEST = re.compile(r"(?P<request_id>[A-Za-z0-9_-]{1,64})(?P<action>(?:/[a-z]+)*)/?")


class QueueAction(Enum):
    """What a call wants from a queued request."""

    RESULT = auto()
    STATUS = auto()
    STATUS_STREAM = auto()
    CANCEL = auto()


_ACTIONS = {
    "": QueueAction.RESULT,
    "/response": QueueAction.RESULT,
    "/status": QueueAction.STATUS,
    "/status/stream": QueueAction.STATUS_STREAM,
    "/cancel": QueueAction.CANCEL,
}


@dataclass(frozen=True, slots=True)
class QueueCall:
    """A call about one queued request."""

    request_id: str
    action: QueueAction


def queue_call(path: str) -> QueueCall:
    """The call behind a path below `/queue/`, with or without the endpoint's last parts; raises NotFoundError."""
    app, _, rest = path.rpartition("/requests/")
    found = _REQUEST.fullmatch(rest)
    if found is None or found["action"] not in _ACTIONS or not _is_app(app):
        raise not_found(path)
    return QueueCall(found["request_id"], _ACTIONS[found["action"]])


def _is_app(path: str) -> bool:
    parts = path.split("/")
    return len(parts) > 1 and all(parts)


def request_path(endpoint_id: str, request_id: str) -> str:
    """The path of a queued request: owner and alias alone, after the namespace where there is one."""
    return f"{app_of(endpoint_id)}/requests/{request_id}"


def app_of(endpoint_id: str) -> str:
    """The part of an endpoint's id that stands in the paths of its requests."""
    parts = endpoint_id.split("/")
    kept = 3 if parts[0] in _NAMESPACES else 2
    return "/".join(parts[:kept])


def not_found(path: str) -> NotFoundError:
    """The error for a path that leads nowhere, in fal's words."""
    return NotFoundError(f"Path /{path} not found")


def endpoint_id(path: str) -> str:
    """The endpoint's id in a path, which may end in a slash."""
    return path.removesuffix("/")
