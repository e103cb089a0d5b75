"""In front of every route: each call gets an identity or a refusal, and the audit log hears what tenants do."""

from starlette.requests import HTTPConnection
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from app.api.audit import AuditTrail
from app.api.doorkeeper import Doorkeeper, check_scope
from app.api.errors import error_response
from app.api.openai.errors import error_response as openai_response
from app.errors import DarkroomError
from app.tenants.identity import LOCAL

_CONNECTIONS = ("http", "websocket")
_OPENAI = "/v1/"
_HEAD = "http.response.start"
_WEBSOCKET_HEAD = "websocket.accept"
_ACCEPTED = 101
_SOCKET = "WEBSOCKET"


class Gate:
    """Stores who calls in `state.identity`; a call without the right to be made is refused in its dialect's form."""

    def __init__(self, app: ASGIApp, *, doorkeeper: Doorkeeper, trail: AuditTrail) -> None:
        self._app = app
        self._doorkeeper = doorkeeper
        self._trail = trail

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one call."""
        if scope["type"] not in _CONNECTIONS:
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        try:
            identity = scope["state"]["identity"] = await self._doorkeeper.identify(connection, method=_method(scope))
            check_scope(identity, _method(scope), scope["path"])
        except DarkroomError as error:
            self._trail.refused(connection, method=_method(scope), status=error.status)
            await _refuse(error, scope, receive, send)
            return
        await self._app(scope, receive, send if identity is LOCAL else self._watched(connection, send))

    def _watched(self, connection: HTTPConnection, send: Send) -> Send:
        """Tells the trail how the call was answered."""

        async def watched(message: Message) -> None:
            if message["type"] == _HEAD:
                self._trail.answered(connection, method=connection.scope["method"], status=message["status"])
            elif message["type"] == _WEBSOCKET_HEAD:
                self._trail.answered(connection, method=_SOCKET, status=_ACCEPTED)
            await send(message)

        return watched


def _method(scope: Scope) -> str:
    """The method, and for a socket a word that is none: it is opened to draw, and needs a key wherever it leads."""
    return str(scope["method"]) if scope["type"] == "http" else _SOCKET


async def _refuse(error: DarkroomError, scope: Scope, receive: Receive, send: Send) -> None:
    answer = _answer(error, scope)
    if scope["type"] == "http":
        await answer(scope, receive, send)
    elif "websocket.http.response" in scope.get("extensions", {}):
        await WebSocket(scope, receive, send).send_denial_response(answer)
    else:
        await WebSocket(scope, receive, send).close()


def _answer(error: DarkroomError, scope: Scope) -> JSONResponse:
    if not scope["path"].startswith(_OPENAI):
        return error_response(error)
    answer = openai_response(error)
    answer.headers["x-request-id"] = scope["state"]["request_id"]
    return answer
