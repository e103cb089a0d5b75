"""`/v1`: generations, edits and models."""

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.body import parse_object
from app.api.connection import while_connected
from app.api.fal.dialect import Dialect
from app.api.fal.endpoints import DrawingEndpoint
from app.api.fal.schemas import validated
from app.api.openai.errors import error_body, error_response
from app.api.openai.forms import parse_edit
from app.api.openai.inputs import PicturesInput
from app.api.openai.models import Models
from app.api.openai.outputs import Answers, Asked, Partials
from app.api.openai.translate import PicturesTranslator
from app.api.sse import EventStream, Wording
from app.errors import DarkroomError, NotFoundError
from app.generation import Generation, Tier
from app.storage.blobs import BlobStore

_METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]
_EVENTS = Wording(name=lambda event: str(event.get("type", "error")), failure=error_body)

Handler = Callable[[Request], Awaitable[Response]]


class OpenAIRoutes:
    """OpenAI's images API over the endpoints of fal's dialect."""

    def __init__(self, dialect: Dialect, blobs: BlobStore, *, clock: Callable[[], float] = time.time) -> None:
        self._dialect = dialect
        self._models = Models(dialect.endpoints, created_s=clock())
        self._translator = PicturesTranslator(dialect.translator)
        self._answers = Answers(blobs, clock=clock)

    def add_to(self, app: Starlette) -> None:
        """Add the routes; the last one takes everything else below `/v1`."""
        app.add_route("/v1/images/generations", _told(self.generate), methods=["POST"])
        app.add_route("/v1/images/edits", _told(self.edit), methods=["POST"])
        app.add_route("/v1/models", _told(self.models), methods=["GET"])
        app.add_route("/v1/models/{model:path}", _told(self.model), methods=["GET"])
        app.add_route("/v1/{path:path}", _told(self.nothing), methods=_METHODS)

    async def generate(self, request: Request) -> Response:
        """Draw from words."""
        inputs = validated(PicturesInput, parse_object(await self._dialect.body(request)))
        endpoint = self._models.generating(inputs.model)
        return await self._answer(request, await self._asked(request, "image_generation", endpoint, inputs))

    async def edit(self, request: Request) -> Response:
        """Draw from words and a picture."""
        form = await parse_edit(await self._dialect.body(request), request.headers)
        inputs = validated(PicturesInput, dict(form.fields))
        endpoint = self._models.editing(inputs.model)
        return await self._answer(request, await self._asked(request, "image_edit", endpoint, inputs, form.image))

    async def models(self, request: Request) -> Response:
        """Every model."""
        return JSONResponse({"object": "list", "data": [self._models.entry(model) for model in self._models]})

    async def model(self, request: Request) -> Response:
        """One model."""
        return JSONResponse(self._models.entry(self._models.find(request.path_params["model"])))

    async def nothing(self, request: Request) -> Response:
        """No such path."""
        raise NotFoundError(f"Path {request.url.path} not found")

    async def _asked(
        self, request: Request, kind: str, endpoint: DrawingEndpoint, inputs: PicturesInput, image: bytes | None = None
    ) -> Asked:
        call = self._dialect.call(request, tier=Tier.INTERACTIVE, previews=inputs.stream and inputs.partial_images > 0)
        asked = await self._translator.request(endpoint, inputs, call, image=image)
        return Asked(kind=kind, inputs=inputs, request=asked, base_url=self._dialect.addresses(request).cdn)

    async def _answer(self, request: Request, asked: Asked) -> Response:
        watched = self._dialect.settings.cancel_on_disconnect
        if asked.inputs.stream:
            return await EventStream.opened(self._events(asked), request, stops=watched, wording=_EVENTS)
        work = self._dialect.service.generate(asked.request)
        generation = await (while_connected(request, work) if watched else work)
        return JSONResponse(await self._answers.complete(asked, generation))

    async def _events(self, asked: Asked) -> AsyncIterator[dict[str, Any]]:
        partials = Partials(asked.request.request_id, asked.inputs.partial_images)
        async for event in self._dialect.service.stream(asked.request):
            if isinstance(event, Generation):
                for picture in event.pictures:
                    yield await self._answers.completed(asked, picture)
            elif (due := partials.next(event)) is not None:
                index, preview = due
                yield self._answers.partial(asked, preview, index)


def _told(handler: Handler) -> Handler:
    """The handler with its errors in OpenAI's envelope and the call's id where OpenAI's clients look for it."""

    async def answer(request: Request) -> Response:
        try:
            response = await handler(request)
        except DarkroomError as error:
            response = error_response(error)
        response.headers["x-request-id"] = request.state.request_id
        return response

    return answer
