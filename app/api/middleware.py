"""What happens to every call: it gets an id, and whatever goes wrong is answered in fal's form."""

import logging
from collections.abc import Callable

from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.errors import error_response
from app.errors import DarkroomError

_log = logging.getLogger(__name__)

_CONNECTIONS = ("http", "websocket")
_HEADS = ("http.response.start", "websocket.accept", "websocket.http.response.start")


class RequestIdentity:
    """Gives each call an id and sends it back as `x-fal-request-id`.

    A route that serves another request's id stores it in `request.state.request_id`.
    """

    def __init__(self, app: ASGIApp, *, new_id: Callable[[], str]) -> None:
        self._app = app
        self._new_id = new_id

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] not in _CONNECTIONS:
            await self._app(scope, receive, send)
            return
        state = {**scope.get("state", {}), "request_id": self._new_id()}
        scope["state"] = state

        async def stamped(message: Message) -> None:
            if message["type"] in _HEADS:
                message.setdefault("headers", [])
                MutableHeaders(scope=message)["x-fal-request-id"] = state["request_id"]
            await send(message)

        await self._app(scope, receive, stamped)


class LastResort:
    """Answers unforeseen exceptions with a bare 500 and keeps their story for the log.

    An answer that has already begun is cut off, so that no client takes it for complete.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def observed(message: Message) -> None:
            nonlocal begun
            begun = True
            await send(message)

        try:
            await self._app(scope, receive, observed)
        except ClientDisconnect:
            _log.info("request %s: the client left", scope["state"]["request_id"])
        except Exception:
            _log.exception("request %s: unforeseen error", scope["state"]["request_id"])
            if not begun:
                await error_response(DarkroomError("Internal server error"))(scope, receive, send)
