"""A small client of a running Darkroom: one picture, step by step."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from httpx_sse import EventSource, aconnect_sse

from app.errors import DarkroomError, GenerationFailedError

PATIENCE = httpx.Timeout(connect=5.0, read=600.0, write=30.0, pool=5.0)


class ServerUnreachableError(DarkroomError):
    """Nobody answers where a Darkroom should be."""


@dataclass(frozen=True, slots=True)
class Progress:
    """The share of the work that is done, from 0 to 1."""

    fraction: float
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """The endpoint's complete output."""

    output: dict[str, Any]


class Client:
    """Speaks to the server at `url` over connections that somebody else closes."""

    def __init__(self, url: str, http: httpx.AsyncClient) -> None:
        self._url = url.rstrip("/")
        self._http = http

    async def draw(self, endpoint: str, arguments: dict[str, Any]) -> AsyncIterator[Progress | Answer]:
        """Progress at every step, the Answer last.

        Raises ServerUnreachableError, or GenerationFailedError with what the server said.
        """
        try:
            async with aconnect_sse(
                self._http, "POST", f"{self._url}/run/{endpoint}/stream", json=arguments, timeout=PATIENCE
            ) as events:
                await refuse_errors(events.response)
                async for event in _events(events):
                    yield event
        except httpx.TransportError as error:
            raise unreachable(self._url) from error

    async def fetch(self, picture_url: str) -> bytes:
        """The bytes of a picture that an Answer names."""
        answer = await self._http.get(picture_url, timeout=PATIENCE)
        await refuse_errors(answer)
        return answer.content


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[Client]:
    """A client of the server at `url`, with its connections closed at the end."""
    async with httpx.AsyncClient() as http:
        yield Client(url, http)


async def _events(source: EventSource) -> AsyncIterator[Progress | Answer]:
    async for event in source.aiter_sse():
        data = event.json()
        if "images" in data and "progress" not in data:
            yield Answer(data)
        elif "progress" in data:
            yield Progress(fraction=float(data["progress"]), message=str(data.get("message", "")))
        else:
            raise GenerationFailedError(reason(data))


def unreachable(url: str) -> ServerUnreachableError:
    """The error for a server that does not answer."""
    return ServerUnreachableError(f"no server answers at {url}; start one with: darkroom up")


async def refuse_errors(response: httpx.Response) -> None:
    """Raise GenerationFailedError with what the server said, unless the answer is a success."""
    if response.is_success:
        return
    text = (await response.aread()).decode(errors="replace")
    try:
        raise GenerationFailedError(reason(json.loads(text)))
    except ValueError:
        raise GenerationFailedError(f"the server answered {response.status_code}") from None


def reason(body: Any) -> str:
    """What an error's body says, in one line."""
    detail = body.get("detail", body) if isinstance(body, dict) else body
    if isinstance(detail, list):
        return "; ".join(f"{'.'.join(str(part) for part in issue['loc'])}: {issue['msg']}" for issue in detail)
    return str(detail)
