"""What direct and queued calls share."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from app.api.body import read_body
from app.api.caller import caller_of
from app.api.connection import Addresses, addresses, base_url
from app.api.fal.endpoints import Endpoint, EndpointTable
from app.api.fal.headers import start_timeout_s, stores_io
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
            is_ephemeral=not stores_io(request.headers),
        )

    async def body(self, request: Request) -> bytes:
        """The body of the call; raises BodyTooLargeError."""
        return await read_body(request, limit=self.settings.max_body_bytes)

    async def answer(self, endpoint: Endpoint, generation: Generation, request: Request, *, inline: bool) -> Response:
        """The endpoint's output as an answer to this call, with the replica that made it."""
        output = await self.output(endpoint, generation, self.addresses(request).cdn, inline=inline)
        replica = generation.pictures[0].receipt.replica
        return JSONResponse(output, headers={"X-Fal-Served-From": replica} if replica else None)

    async def output(self, endpoint: Endpoint, generation: Generation, cdn: str, *, inline: bool) -> dict[str, Any]:
        """The endpoint's output, with files below the base URL `cdn` or inside it."""
        return await self.answers.output(endpoint, generation, base_url=cdn, inline=inline)
