"""`darkroom config`: the reference of every setting, made from the schema itself."""

import json
from collections.abc import Iterator
from typing import Any

import typer

from app.config import DarkroomSettings
from app.config.autoscaling import ScalingSettings
from app.config.base import Settings

Schema = dict[str, Any]

HEADER = """\
# Configuration reference

Made from the schema in `app/config/` by `make generated`; change it there, not here.

One YAML file describes one Darkroom. `${NAME}` and `${NAME:-default}` stand for environment
variables. An unknown key, a value out of range or a contradiction is refused at start-up by name.
"""

SCALING_HEADER = """\
# The file of scaling

Named by `scaling.file`, and read again within seconds of a change. A mistake in it leaves everything as it was and is
told by `darkroom scaling status`. `for` and `min_history_s` are seconds, or a number with s, m, h or d.
"""

BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}


def config() -> None:
    """Print the reference of every setting as Markdown."""
    typer.echo(reference(), nl=False)


def reference() -> str:
    """The whole reference as one Markdown document."""
    return "\n".join([HEADER, *_sections(DarkroomSettings), SCALING_HEADER, *_sections(ScalingSettings)])


def _sections(settings: type[Settings]) -> Iterator[str]:
    schema = settings.model_json_schema()
    return _Reference(schema["$defs"]).sections(schema, prefix="")


class _Reference:
    """Walks a JSON schema whose groups of settings are named definitions."""

    def __init__(self, definitions: dict[str, Schema]) -> None:
        self._definitions = definitions

    def sections(self, group: Schema, *, prefix: str) -> Iterator[str]:
        """A table for the group's own settings, then the groups inside it."""
        members = {name: (field, self._group_in(field)) for name, field in group["properties"].items()}
        rows = [self._row(name, field) for name, (field, inner) in members.items() if inner is None]
        if rows:
            heading = f"`{prefix.removesuffix('.')}`" if prefix else "At the top"
            yield f"## {heading}\n\n{group['description']}\n"
            yield "| key | value | default | meaning |\n|---|---|---|---|"
            yield from rows
            yield ""
        for name, (field, inner) in members.items():
            if inner is not None:
                named = ".<name>" if "additionalProperties" in field else "[]" if "items" in field else ""
                yield from self.sections(inner, prefix=f"{prefix}{name}{named}.")

    def _group_in(self, field: Schema) -> Schema | None:
        """The group of settings that a field holds, by itself, by name or in a list; None for a plain value."""
        holder = field.get("additionalProperties") or field.get("items") or field
        choices = holder.get("anyOf", [holder]) if isinstance(holder, dict) else []
        groups = [found for found in map(self._resolve, choices) if "properties" in found]
        return groups[0] if groups else None

    def _resolve(self, schema: Schema) -> Schema:
        reference = schema.get("$ref")
        return self._definitions[reference.rpartition("/")[2]] if reference else schema

    def _row(self, name: str, field: Schema) -> str:
        default = f"`{_shown(field['default'])}`" if "default" in field else "required"
        meaning = field.get("description", "").replace("|", "\\|")
        return f"| `{name}` | {self._value(field)} | {default} | {meaning} |"

    def _value(self, field: Schema) -> str:
        """The values that a field takes, in words."""
        schema = self._resolve(field)
        if "anyOf" in schema:
            return " or ".join(self._value(each) for each in schema["anyOf"])
        if "enum" in schema or "const" in schema:
            return ", ".join(f"`{value}`" for value in schema.get("enum", [schema.get("const")]))
        if "prefixItems" in schema:
            return "[" + ", ".join(self._value(each) for each in schema["prefixItems"]) + "]"
        if schema["type"] == "array":
            return f"list of {self._value(schema['items'])}"
        if schema["type"] == "object":
            inner = schema["additionalProperties"]
            return "map" if inner is True else f"map to {self._value(inner)}"
        bounds = "".join(f" {sign} {schema[key]:g}" for key, sign in BOUNDS.items() if key in schema)
        return str(schema["type"]).replace("null", "absent") + bounds


def _shown(value: Any) -> str:
    return "absent" if value is None else json.dumps(value) if not isinstance(value, str) else value
