"""What the caller of a workflow gives, against the schema of its document."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError
from referencing import Registry
from referencing.exceptions import Unresolvable

from app.workflows.definition import FlawedWorkflowError, Json, Workflow, parse_workflow

_TYPES = ("string", "number", "integer", "boolean", "object", "array")


def input_complaints(workflow: Workflow, given: Json) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Where the input is wrong, and why; nothing for a workflow without a schema."""
    for error in _validator(workflow).iter_errors(given):
        yield tuple(error.absolute_path), error.message


def schema_complaint(workflow: Workflow) -> str | None:
    """Why the schema of the input cannot be used; None for one that can."""
    try:
        Draft202012Validator.check_schema(json_schema(workflow.input_schema))
        list(_validator(workflow).iter_errors({}))
    except (SchemaError, Unresolvable) as error:
        return f"schema.input: {getattr(error, 'message', error)}"
    return None


def checked_workflow(name: str, document: Mapping[str, Any], *, apps: Collection[str]) -> Workflow:
    """The workflow that is to be served as owner/name; raises FlawedWorkflowError when it cannot be."""
    if name.count("/") != 1 or not all(name.split("/")):
        raise FlawedWorkflowError((f"it is named owner/name, not {name!r}",))
    workflow = parse_workflow(document, apps=apps)
    if (complaint := schema_complaint(workflow)) is not None:
        raise FlawedWorkflowError((complaint,))
    return workflow


def with_defaults(workflow: Workflow, given: Json) -> Json:
    """The input, with what the schema says for fields that the caller left out."""
    fields = json_schema(workflow.input_schema).get("properties", {})
    usual = {name: field["default"] for name, field in fields.items() if "default" in field}
    return usual | given


def _validator(workflow: Workflow) -> Draft202012Validator:
    """Knows no schema but this one: a reference to another is never followed over the network."""
    return Draft202012Validator(json_schema(workflow.input_schema), registry=Registry())


def json_schema(schema: Json) -> Json:
    """The JSON schema that a workflow's schema stands for: fal exports one; its editor lists fields by their names."""
    if "properties" in schema or "type" in schema or not schema:
        return schema
    fields = {name: field for name, field in schema.items() if isinstance(field, dict)}
    return {
        "type": "object",
        "properties": {name: _field(field) for name, field in fields.items()},
        "required": [name for name, field in fields.items() if field.get("required") is True],
    }


def _field(field: Json) -> Json:
    kept = {name: field[name] for name in ("default", "enum", "minimum", "maximum") if field.get(name) is not None}
    return kept | ({"type": field["type"]} if field.get("type") in _TYPES else {})
