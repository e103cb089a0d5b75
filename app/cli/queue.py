"""The queue of a running Darkroom, as the command line uses it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
from httpx_sse import aconnect_sse

from app.cli.client import PATIENCE, ServerUnreachableError, reason, refuse_errors, unreachable

_BATCH = {"X-Fal-Queue-Priority": "low"}
_USUAL_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Ticket:
    """A request that the server has acknowledged, and where to ask for it."""

    request_id: str
    status_url: str
    response_url: str
    cancel_url: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """What the server said instead of an output."""

    status: int
    message: str


class Queue:
    """Speaks to the queue of the server at `url` over connections that somebody else closes."""

    def __init__(self, url: str, http: httpx.AsyncClient, *, sleep: Sleep = asyncio.sleep) -> None:
        self._url = url.rstrip("/")
        self._http = http
        self._sleep = sleep

    async def document(self, endpoint: str) -> dict[str, Any]:
        """The OpenAPI document of an endpoint; raises GenerationFailedError for one that is not served."""
        url = f"{self._url}/api/openapi/queue/openapi.json"
        answer = await self._call("GET", url, params={"endpoint_id": endpoint})
        await refuse_errors(answer)
        document: dict[str, Any] = answer.json()
        return document

    async def submit(self, endpoint: str, arguments: dict[str, Any]) -> Ticket:
        """Put a request into the queue, behind all more urgent ones; waits where the server has no room."""
        while True:
            answer = await self._call("POST", f"{self._url}/queue/{endpoint}", json=arguments, headers=_BATCH)
            if answer.status_code != httpx.codes.TOO_MANY_REQUESTS:
                break
            await self._sleep(_wait_s(answer.headers.get("retry-after", "")))
        await refuse_errors(answer)
        said = answer.json()
        return Ticket(said["request_id"], said["status_url"], said["response_url"], said["cancel_url"])

    async def outcome(self, ticket: Ticket) -> dict[str, Any] | Refusal:
        """The output of the request once it is complete, or why there is none."""
        await self._completed(ticket)
        answer = await self._call("GET", ticket.response_url)
        if answer.is_success:
            output: dict[str, Any] = answer.json()
            return output
        try:
            return Refusal(answer.status_code, reason(answer.json()))
        except ValueError:
            return Refusal(answer.status_code, f"the server answered {answer.status_code}")

    async def cancel(self, ticket: Ticket) -> None:
        """Let the server stop the request, if it still can."""
        await self._call("PUT", ticket.cancel_url)

    async def fetch(self, url: str) -> bytes:
        """The bytes of a picture that an output names."""
        answer = await self._call("GET", url)
        await refuse_errors(answer)
        return answer.content

    async def _completed(self, ticket: Ticket) -> None:
        try:
            async with aconnect_sse(self._http, "GET", f"{ticket.status_url}/stream", timeout=PATIENCE) as events:
                await refuse_errors(events.response)
                told = [event.json().get("status") async for event in events.aiter_sse()]
        except httpx.TransportError as error:
            raise unreachable(self._url) from error
        if told[-1:] != ["COMPLETED"]:
            raise ServerUnreachableError(f"{self._url} stopped telling how the requests stand")

    async def _call(self, method: str, url: str, **more: Any) -> httpx.Response:
        try:
            return await self._http.request(method, url, timeout=PATIENCE, **more)
        except httpx.TransportError as error:
            raise unreachable(self._url) from error


def _wait_s(retry_after: str) -> float:
    return min(float(retry_after), _LONGEST_WAIT_S) if retry_after.isdecimal() else _USUAL_WAIT_S
