"""Workflows as fal writes them: endpoints chained by references, read, checked and carried out in plain code."""

from app.workflows.definition import DisplayNode, FlawedWorkflowError, RunNode, Workflow, parse_workflow
from app.workflows.execution import Completed, Event, Failed, Finished, NodeError, Perform, Submitted, execute
from app.workflows.inputs import checked_workflow, input_complaints, json_schema, schema_complaint, with_defaults

__all__ = [
    "Completed",
    "DisplayNode",
    "Event",
    "Failed",
    "Finished",
    "FlawedWorkflowError",
    "NodeError",
    "Perform",
    "RunNode",
    "Submitted",
    "Workflow",
    "checked_workflow",
    "execute",
    "input_complaints",
    "json_schema",
    "parse_workflow",
    "schema_complaint",
    "with_defaults",
]
