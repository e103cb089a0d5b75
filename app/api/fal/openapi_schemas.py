"""pydantic's JSON schemas in the dialect of OpenAPI 3.0, with fal's order of properties."""

from typing import Any

from pydantic import BaseModel

_REFERENCE = "#/components/schemas/{model}"

Schema = dict[str, Any]

_NULL: Schema = {"type": "null"}
# Where JSON schemas keep others: older and newer ones.
_DEFINITIONS = ("definitions", "$defs")


def reference(name: str) -> Schema:
    """A pointer to the component of that name."""
    return {"$ref": _REFERENCE.format(model=name)}


def components(name: str, model: type[BaseModel], *, is_input: bool) -> dict[str, Schema]:
    """The model under `name`, and every schema that it refers to under its own name."""
    schema = model.model_json_schema(ref_template=_REFERENCE, mode="validation" if is_input else "serialization")
    definitions = schema.pop("$defs", {})
    return {key: _ordered(_adapted(value)) for key, value in ({name: schema} | definitions).items()}


def brought_along(name: str, schema: Schema) -> dict[str, Schema]:
    """A JSON schema that somebody else wrote under `name`, and every schema that it has inside under a name below."""
    own = {key: part for key, part in schema.items() if key not in _DEFINITIONS}
    inner = {key: part for place in _DEFINITIONS for key, part in (schema.get(place) or {}).items()}
    named = {name: {"type": "object"} | own} | {f"{name}{key}": part for key, part in inner.items()}
    return {key: _ordered(_adapted(_pointed(part, name))) for key, part in named.items()}


def _pointed(schema: Any, name: str) -> Any:
    """The schema with its pointers to its own definitions leading to where they are in a document."""
    if isinstance(schema, list):
        return [_pointed(part, name) for part in schema]
    if not isinstance(schema, dict):
        return schema
    pointer = schema.get("$ref")
    if isinstance(pointer, str) and pointer.startswith(tuple(f"#/{place}/" for place in _DEFINITIONS)):
        return reference(f"{name}{pointer.rpartition('/')[2]}")
    return {key: _pointed(part, name) for key, part in schema.items()}


def _ordered(schema: Schema) -> Schema:
    if "properties" not in schema:
        return schema
    required = schema.get("required", [])
    order = sorted(schema["properties"], key=lambda field: field not in required)
    return schema | {"x-fal-order-properties": order}


def _adapted(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_adapted(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    return _nullable(_renamed({key: _adapted(value) for key, value in schema.items()}))


def _renamed(schema: Schema) -> Schema:
    if "const" in schema:
        schema["enum"] = [schema.pop("const")]
    if "oneOf" in schema:
        schema["anyOf"] = schema.pop("oneOf")
    return schema


def _nullable(schema: Schema) -> Schema:
    if _NULL not in schema.get("anyOf", []):
        return schema
    options: list[Schema] = [option for option in schema.pop("anyOf") if option != _NULL]
    return schema | options[0] | {"nullable": True}
