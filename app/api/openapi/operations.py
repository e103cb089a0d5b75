"""The words of OpenAPI 3.0 in which operations are described."""

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]
Operation = dict[str, Any]

TEXT: Schema = {"type": "string"}
ANYTHING: Schema = {}
JSON = "application/json"
EVENTS = "text/event-stream"
OCTETS = "application/octet-stream"
FORM = "multipart/form-data"


def record(required: Mapping[str, Schema] | None = None, **optional: Schema) -> Schema:
    """A JSON object with these fields, and others."""
    needed = dict(required or {})
    return {"type": "object", "properties": {**needed, **optional}, **({"required": [*needed]} if needed else {})}


def list_of(items: Schema, *, least: int = 0) -> Schema:
    """A JSON list."""
    return {"type": "array", "items": items, "minItems": least}


def number(*, least: float | None = None, whole: bool = False) -> Schema:
    """A JSON number."""
    return {"type": "integer" if whole else "number", **({} if least is None else {"minimum": least})}


def in_path(name: str, pattern: str, *, whole: bool = False) -> Schema:
    """A part of the path; the pattern has no slash in it."""
    schema = number(least=1, whole=True) if whole else {"type": "string", "pattern": f"^{pattern}$"}
    return {"name": name, "in": "path", "required": True, "schema": schema}


def in_query(name: str, schema: Schema, *, required: bool = False) -> Schema:
    """A parameter of the query."""
    return {"name": name, "in": "query", "required": required, "schema": schema}


def in_header(name: str, schema: Schema) -> Schema:
    """A header that may be left out."""
    return {"name": name, "in": "header", "required": False, "schema": schema}


def operation(
    summary: str,
    *parameters: Schema,
    takes: Schema | None = None,
    takes_as: str = JSON,
    gives: Mapping[str, Schema] | None = None,
    gives_as: str = JSON,
) -> Operation:
    """What one method of a path does: its parameters, its body, and its answers by status.

    Every operation may refuse with any other status, and says why in JSON.
    """
    answers = {status: _content("The answer.", schema, gives_as) for status, schema in (gives or {"200": {}}).items()}
    described: Operation = {
        "summary": summary,
        "parameters": [*parameters],
        "responses": {**answers, "default": _content("Why not.", ANYTHING, JSON)},
    }
    if takes is not None:
        described["requestBody"] = {"required": True, "content": {takes_as: {"schema": takes}}}
    return described


def _content(words: str, schema: Schema, media_type: str) -> Schema:
    return {"description": words, "content": {media_type: {"schema": schema}}}
