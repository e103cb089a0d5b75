"""Workflows in the catalogue: their documents are made of the schemas that they bring along."""

from app.api.fal.openapi import Described, class_name, queue_schemas
from app.api.fal.openapi_schemas import brought_along
from app.workflows import Workflow, json_schema

_CATEGORY = "workflow"


def described_workflow(endpoint_id: str, workflow: Workflow) -> Described:
    """A configured workflow."""
    name = class_name(endpoint_id)
    takes = brought_along(f"{name}Input", json_schema(workflow.input_schema))
    gives = brought_along(f"{name}Output", json_schema(workflow.output_schema))
    return Described(endpoint_id, _CATEGORY, queue_schemas() | takes | gives)
