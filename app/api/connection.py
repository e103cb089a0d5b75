"""The client's side of a call: where it thinks it is, and whether it is still there."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import HTTPConnection, Request

from app.errors import JobCancelledError

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Addresses:
    """The bases of the URLs in answers to one call, as its client can use them; none ends in a slash."""

    queue: str
    cdn: str


def addresses(connection: HTTPConnection, public_url: str | None) -> Addresses:
    """As configured, or as the client reached us: by one host for everything, or by fal's own names."""
    if public_url is None and getattr(connection.state, "by_fal_names", False):
        scheme = connection.url.scheme
        return Addresses(queue=f"{scheme}://queue.fal.run", cdn=f"{scheme}://v3.fal.media")
    base = base_url(connection, public_url)
    return Addresses(queue=f"{base}/queue", cdn=base)


def base_url(connection: HTTPConnection, public_url: str | None) -> str:
    """The base of the URLs in answers, without a final slash: as configured, or as the client reached us."""
    return (public_url or str(connection.base_url)).rstrip("/")


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """The result of the work, which is cancelled when the client leaves first (JobCancelledError).

    The request's body must have been read.
    """
    task = asyncio.create_task(work)
    departure = asyncio.create_task(_departure(request))
    try:
        await asyncio.wait({task, departure}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise JobCancelledError("The client closed the connection")
        return task.result()
    finally:
        task.cancel()
        departure.cancel()
        await asyncio.gather(task, departure, return_exceptions=True)


async def _departure(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
