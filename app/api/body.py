"""Request bodies: bounded while they arrive, and always a JSON object."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from pydantic_core import from_json
from starlette.requests import Request

from app.errors import BadRequestError, BodyTooLargeError, FieldIssue, InvalidInputError

PATIENCE_S = 60.0


async def arriving(request: Request, *, patience_s: float = PATIENCE_S) -> AsyncIterator[bytes]:
    """The body as it arrives; raises BadRequestError when nothing more does for so many seconds."""
    chunks = aiter(request.stream())
    while True:
        try:
            async with asyncio.timeout(patience_s):
                chunk = await anext(chunks)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise BadRequestError(f"Nothing arrived of the request's body for {patience_s:g} seconds") from error
        yield chunk


async def read_body(request: Request, *, limit: int, patience_s: float = PATIENCE_S) -> bytes:
    """The body; raises BodyTooLargeError without holding more than `limit` bytes and one chunk, BadRequestError."""
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and int(declared) > limit:
        raise _too_large(limit)
    body = bytearray()
    async for chunk in arriving(request, patience_s=patience_s):
        body += chunk
        if len(body) > limit:
            raise _too_large(limit)
    return bytes(body)


def parse_object(body: bytes) -> dict[str, Any]:
    """The JSON object in the body; raises InvalidInputError for anything else."""
    if not body:
        raise _refused("Field required", "missing")
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise _refused("JSON decode error", "json_invalid", error=str(error)) from error
    if not isinstance(value, dict):
        message = "Input should be a valid dictionary or object to extract fields from"
        raise _refused(message, "model_attributes_type")
    return value


def _too_large(limit: int) -> BodyTooLargeError:
    return BodyTooLargeError(f"The request body is larger than {limit} bytes; send pictures by URL instead")


def _refused(message: str, issue_type: str, **context: str) -> InvalidInputError:
    return InvalidInputError((FieldIssue(("body",), message, issue_type, dict(context)),))
