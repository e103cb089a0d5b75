"""A small client of a running Darkroom: one picture, step by step."""

import json
import ssl
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

import httpx
import typer
from httpx_sse import EventSource, aconnect_sse

from app.errors import DarkroomError, GenerationFailedError

KeyOption = Annotated[
    str | None, typer.Option("--key", envvar="FAL_KEY", show_default=False, help="API key, where the server wants one.")
]
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


class ServerKey(httpx.Auth):
    """Shows an API key to the server at `url`, and to nobody else whom one of its answers names."""

    def __init__(self, url: str, key: str) -> None:
        self._origin = _origin(httpx.URL(url))
        self._key = key

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        """Add the key where it belongs."""
        if _origin(request.url) == self._origin:
            request.headers["Authorization"] = f"Key {self._key}"
        yield request


@asynccontextmanager
async def connected(url: str, key: str | None = None, *, trust: ssl.SSLContext | None = None) -> AsyncIterator[Client]:
    """A client of the server at `url`, which shows it the key, with its connections closed at the end.

    It trusts the usual authorities unless told otherwise.
    """
    async with httpx.AsyncClient(auth=key_for(url, key), verify=True if trust is None else trust) as http:
        yield Client(url, http)


def key_for(url: str, key: str | None) -> ServerKey | None:
    """What shows the key to the server at `url`; None without a key."""
    return None if key is None else ServerKey(url, key)


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


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
