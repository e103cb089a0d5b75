"""What direct and queued calls share."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from app.api.adapted import AdaptedPictures, picture_wanted
from app.api.body import read_body
from app.api.caller import caller_of, identity_of
from app.api.client_hints import Suiting
from app.api.connection import Addresses, addresses, base_url
from app.api.fal.endpoints import Endpoint, EndpointTable
from app.api.fal.headers import handling, start_timeout_s, stores_io
from app.api.fal.outputs import Answers
from app.api.fal.translate import Call, Translator
from app.api.ports import Service
from app.config import ServerSettings
from app.generation import Generation, Tier


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """fal's protocol over one service."""

    service: Service
    endpoints: EndpointTable
    translator: Translator
    answers: Answers
    adapted: AdaptedPictures
    settings: ServerSettings

    def base_url(self, connection: HTTPConnection) -> str:
        """The address of this server, for documents that describe it."""
        return base_url(connection, self.settings.public_url)

    def addresses(self, connection: HTTPConnection) -> Addresses:
        """The bases of the URLs in answers to this call."""
        return addresses(connection, self.settings.public_url)

    def call(self, request: HTTPConnection, *, tier: Tier, previews: bool = False) -> Call:
        """What the call says beside its input; raises BadRequestError for a malformed header."""
        return Call(
            request_id=request.state.request_id,
            tier=tier,
            base_url=self.addresses(request).cdn,
            start_timeout_s=start_timeout_s(request.headers),
            previews=previews,
            caller=caller_of(request),
            tenant=identity_of(request).tenant,
            file_salt=identity_of(request).file_salt,
            is_ephemeral=not stores_io(request.headers),
            handling=handling(request.headers),
        )

    async def body(self, request: Request) -> bytes:
        """The body of the call; raises BodyTooLargeError."""
        return await read_body(request, limit=self.settings.max_body_bytes)

    async def answer(self, endpoint: Endpoint, generation: Generation, request: Request, *, inline: bool) -> Response:
        """The endpoint's output as an answer to this call, with the replica that made it.

        Who would rather have a picture than JSON has the first one, in the format that suits.
        """
        first = generation.pictures[0]
        headers = {"Vary": "Accept"} | ({"X-Fal-Served-From": first.receipt.replica} if first.receipt.replica else {})
        if (wanted := picture_wanted(request.headers, first.image_format)) is not None:
            data, content_type = await self.adapted.read(first.blob_key, Suiting(wanted))
            return Response(data, media_type=content_type, headers=headers)
        output = await self.output(endpoint, generation, self.addresses(request).cdn, inline=inline)
        return JSONResponse(output, headers=headers)

    async def output(self, endpoint: Endpoint, generation: Generation, cdn: str, *, inline: bool) -> dict[str, Any]:
        """The endpoint's output, with files below the base URL `cdn` or inside it."""
        return await self.answers.output(endpoint, generation, base_url=cdn, inline=inline)
