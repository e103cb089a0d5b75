"""Realtime: inputs and pictures over one WebSocket, one at a time; of inputs that come too fast the latest count."""

import asyncio
import logging
import re
from collections import deque
from collections.abc import Callable
from typing import Any

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from app.api.caller import caller_of, identity_of
from app.api.errors import error_response
from app.api.fal.access import RealtimeAccess
from app.api.fal.dialect import Dialect
from app.api.fal.endpoints import Endpoint
from app.api.fal.paths import endpoint_id
from app.api.fal.realtime_frames import Frame, Message, control, message_of, refusal
from app.api.fal.translate import Call
from app.errors import BadRequestError, BodyTooLargeError, DarkroomError
from app.generation import Tier

_log = logging.getLogger(__name__)

_REALTIME = "/realtime"
_BUFFERING = re.compile(r"[1-9]|[1-5]\d|60", re.ASCII)
_NORMAL, _INTERNAL_ERROR = 1000, 1011


class LatestFrames:
    """Frames that wait; where there are more than `room`, the oldest have made way."""

    def __init__(self, room: int) -> None:
        self._waiting: deque[Frame] = deque(maxlen=room)
        self._news = asyncio.Event()

    def put(self, frame: Frame) -> None:
        """Let the frame wait."""
        self._waiting.append(frame)
        self._news.set()

    async def take(self, patience_s: float) -> Frame | None:
        """The frame that has waited longest, once there is one; None when there is none for so many seconds."""
        try:
            async with asyncio.timeout(patience_s):
                await self._news.wait()
        except TimeoutError:
            return None
        frame = self._waiting.popleft()
        if not self._waiting:
            self._news.clear()
        return frame


class RealtimeRoutes:
    """`/run/{endpoint}/realtime`, and the same without `/run`."""

    def __init__(self, dialect: Dialect, access: RealtimeAccess, *, new_id: Callable[[], str]) -> None:
        self._dialect = dialect
        self._access = access
        self._new_id = new_id

    def add_to(self, app: Starlette) -> None:
        """Add the routes."""
        for path in ("/run/{path:path}", "/{path:path}"):
            app.router.routes.append(WebSocketRoute(path, self.connect))

    async def connect(self, socket: WebSocket) -> None:
        """Serve one connection until its client leaves, is idle for too long, or something unforeseen happens."""
        try:
            endpoint = self._endpoint(socket.path_params["path"])
            self._access.check(socket.query_params.get("fal_jwt_token"), endpoint.endpoint_id)
            frames = LatestFrames(_room(socket.query_params.get("max_buffering", "1")))
        except DarkroomError as error:
            await _refuse(socket, error)
            return
        await socket.accept()
        await _first_of(self._listen(socket, frames), self._work(socket, endpoint, frames))

    async def _listen(self, socket: WebSocket, frames: LatestFrames) -> None:
        limit = self._dialect.settings.max_body_bytes
        while (event := await socket.receive())["type"] != "websocket.disconnect":
            frame = event["text"] if event.get("text") is not None else event["bytes"]
            if len(frame) > limit:
                await socket.send_text(refusal(BodyTooLargeError(f"A frame has at most {limit} bytes"), {}))
            else:
                frames.put(frame)

    async def _work(self, socket: WebSocket, endpoint: Endpoint, frames: LatestFrames) -> None:
        try:
            while (frame := await frames.take(self._dialect.settings.realtime_idle_s)) is not None:
                await self._serve(socket, endpoint, frame)
            await _farewell(socket, "TIMEOUT", "no inputs, reconnect when needed!", code=_NORMAL)
        except WebSocketDisconnect:
            return
        except Exception:
            _log.exception("request %s: unforeseen error", socket.state.request_id)
            await _farewell(socket, "INTERNAL_ERROR", "Internal server error", code=_INTERNAL_ERROR)

    async def _serve(self, socket: WebSocket, endpoint: Endpoint, frame: Frame) -> None:
        tag: dict[str, Any] = {}
        try:
            message = message_of(frame)
            tag = message.tag
            answer = await self._answer(socket, endpoint, message)
        except DarkroomError as error:
            await socket.send_text(refusal(error, tag))
        else:
            await (socket.send_text(answer) if isinstance(answer, str) else socket.send_bytes(answer))

    async def _answer(self, socket: WebSocket, endpoint: Endpoint, message: Message) -> Frame:
        dialect = self._dialect
        identity = identity_of(socket)
        call = Call(
            request_id=self._new_id(),
            tier=Tier.INTERACTIVE,
            base_url=dialect.addresses(socket).cdn,
            caller=caller_of(socket),
            tenant=identity.tenant,
            file_salt=identity.file_salt,
        )
        asked = await dialect.translator.request(endpoint, message.payload, call)
        generation = await dialect.service.generate(asked)
        if asked.inline or message.is_text:
            return message.answer(await dialect.output(endpoint, generation, call.base_url, inline=True))
        return message.answer(await dialect.answers.raw(endpoint, generation))

    def _endpoint(self, path: str) -> Endpoint:
        """The endpoint of a path; clients add `/realtime` to an id that may already end so."""
        name = endpoint_id(path)
        while name not in self._dialect.endpoints and name.endswith(_REALTIME):
            name = name.removesuffix(_REALTIME)
        return self._dialect.endpoints.find(name)


def _room(text: str) -> int:
    if _BUFFERING.fullmatch(text) is None:
        raise BadRequestError("max_buffering must be a whole number from 1 to 60")
    return int(text)


async def _refuse(socket: WebSocket, error: DarkroomError) -> None:
    """Refuse the handshake with the error's own answer, where the server can; else with a bare 403."""
    if "websocket.http.response" in socket.scope.get("extensions", {}):
        await socket.send_denial_response(error_response(error))
    else:
        await socket.close()


async def _farewell(socket: WebSocket, error: str, reason: str, *, code: int) -> None:
    if socket.client_state is WebSocketState.CONNECTED:
        await socket.send_text(control("x-fal-error", error=error, reason=reason))
        await socket.close(code)


async def _first_of(*works: Any) -> None:
    """Run all until one has ended, then stop the others; their clean-up has run when this returns."""
    tasks = [asyncio.ensure_future(work) for work in works]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
