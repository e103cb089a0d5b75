"""Direct calls: run, and run with a stream of progress."""

from collections.abc import AsyncIterator
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from app.api.body import parse_object
from app.api.connection import while_connected
from app.api.fal.access import RealtimeAccess
from app.api.fal.dialect import Dialect
from app.api.fal.endpoints import Endpoint
from app.api.fal.paths import endpoint_id, not_found
from app.api.fal.progress import Progress
from app.api.sse import EventStream
from app.generation import Generation, GenerationRequest, Tier

_STREAM = "/stream"


class DirectRoutes:
    """`POST /run/{endpoint}`, `POST /run/{endpoint}/stream`, and both without `/run`."""

    def __init__(self, dialect: Dialect, access: RealtimeAccess) -> None:
        self._dialect = dialect
        self._access = access

    def add_to(self, app: Starlette) -> None:
        """Add the routes; the last ones take every path that no earlier route knows."""
        app.add_route("/run/{path:path}", self.run, methods=["POST"])
        app.add_route("/{path:path}", self.run, methods=["POST"])
        app.add_route("/{path:path}", self.nothing, methods=["GET", "PUT", "PATCH", "DELETE"])

    async def nothing(self, request: Request) -> Response:
        """No such path."""
        raise not_found(request.path_params["path"])

    async def run(self, request: Request) -> Response:
        """Make the pictures now; the answer is the output, or a stream that ends with it."""
        endpoints = self._dialect.endpoints
        name = endpoint_id(request.path_params["path"])
        if name.endswith(_STREAM) and name not in endpoints:
            endpoint = endpoints.find(name.removesuffix(_STREAM))
            self._access.check(request.query_params.get("fal_jwt_token"), endpoint.endpoint_id)
            return await self._stream(endpoint, request)
        return await self._answer(endpoints.find(name), request)

    async def _answer(self, endpoint: Endpoint, request: Request) -> Response:
        asked = await self._asked(endpoint, request)
        work = self._dialect.service.generate(asked)
        watched = self._dialect.settings.cancel_on_disconnect
        generation = await (while_connected(request, work) if watched else work)
        return await self._dialect.answer(endpoint, generation, request, inline=asked.inline)

    async def _stream(self, endpoint: Endpoint, request: Request) -> Response:
        asked = await self._asked(endpoint, request, previews=self._dialect.settings.stream_previews)
        events = self._events(endpoint, asked, request)
        return await EventStream.opened(events, request, stops=self._dialect.settings.cancel_on_disconnect)

    async def _asked(self, endpoint: Endpoint, request: Request, *, previews: bool = False) -> GenerationRequest:
        call = self._dialect.call(request, tier=Tier.INTERACTIVE, previews=previews)
        payload = parse_object(await self._dialect.body(request))
        return await self._dialect.translator.request(endpoint, payload, call)

    async def _events(
        self, endpoint: Endpoint, asked: GenerationRequest, request: Request
    ) -> AsyncIterator[dict[str, Any]]:
        progress = Progress(asked.num_images)
        begun = False
        async for event in self._dialect.service.stream(asked):
            if not begun:
                begun = True
                yield progress.started()
            if isinstance(event, Generation):
                cdn = self._dialect.addresses(request).cdn
                yield await self._dialect.output(endpoint, event, cdn, inline=asked.inline)
            else:
                yield progress.after(event)
