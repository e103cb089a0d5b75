"""Checks an object against the schema of its custom resource, as strictly as an API server does."""

import copy
import gzip
import json
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

Schema = dict[str, Any]


def load(path: Path) -> Schema:
    """The `openAPIV3Schema` of one version of a custom resource, from a compressed JSON file."""
    schema: Schema = json.loads(gzip.decompress(path.read_bytes()))
    schema["properties"]["metadata"] = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    return schema


def complaints(schema: Schema, resource: dict[str, Any]) -> list[str]:
    """What an API server with strict field validation refuses, one line each.

    Like the server, it first drops nulls and fills in defaults, then refuses unknown fields.
    """
    checked = _with_defaults(schema, _without_nulls(resource))
    errors = Draft202012Validator(_closed(schema)).iter_errors(checked)
    return sorted(f"{error.json_path}: {error.message}" for error in errors)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    return value


def _with_defaults(schema: Schema, value: Any) -> Any:
    if isinstance(value, list):
        return [_with_defaults(schema.get("items", {}), each) for each in value]
    if not isinstance(value, dict):
        return value
    properties = schema.get("properties", {})
    defaults = {key: each["default"] for key, each in properties.items() if "default" in each}
    merged = copy.deepcopy(defaults) | value
    return {key: _with_defaults(properties.get(key, {}), each) for key, each in merged.items()}


def _closed(schema: Any) -> Any:
    """The schema with every object refusing unknown fields, and integer-or-string spelt out."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _closed(each) for key, each in schema.items()}
    if closed.get("x-kubernetes-int-or-string") is True:
        return {"type": ["integer", "string"]}
    open_on_purpose = closed.get("x-kubernetes-preserve-unknown-fields") is True
    if isinstance(closed.get("properties"), dict) and "additionalProperties" not in closed and not open_on_purpose:
        closed["additionalProperties"] = False
    return closed
