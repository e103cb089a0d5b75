"""Which workflows are served, and what a call asks of one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from app.api.fal.endpoints import EndpointTable
from app.api.fal.paths import not_found
from app.errors import FieldIssue, InvalidInputError
from app.workflows import FlawedWorkflowError, Workflow, input_complaints, parse_workflow, with_defaults

NAMESPACE = "workflows/"
EXECUTE = "workflows/execute"


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkflowCall:
    """A workflow with its input, both as checked and as the document from which they can be had again."""

    workflow: Workflow
    given: dict[str, Any]
    document: Mapping[str, Any]


class WorkflowTable:
    """The workflows of a configuration, which has checked them, by their endpoint ids; and what callers bring along."""

    def __init__(self, documents: Mapping[str, Mapping[str, Any]], endpoints: EndpointTable) -> None:
        self._apps = frozenset(endpoint.endpoint_id for endpoint in endpoints)
        self._documents = {f"{NAMESPACE}{name}": document for name, document in documents.items()}
        self._workflows = {name: self.again(document) for name, document in self._documents.items()}

    def __contains__(self, endpoint_id: object) -> bool:
        return endpoint_id == EXECUTE or endpoint_id in self._workflows

    def items(self) -> Iterable[tuple[str, Workflow]]:
        """Every configured workflow by its endpoint id."""
        return self._workflows.items()

    def call(self, endpoint_id: str, body: dict[str, Any]) -> WorkflowCall:
        """What a call of that endpoint asks; raises NotFoundError, and InvalidInputError that names what is wrong."""
        if endpoint_id == EXECUTE:
            return self._brought_along(body)
        if endpoint_id not in self._workflows:
            raise not_found(endpoint_id)
        workflow = self._workflows[endpoint_id]
        given = with_defaults(workflow, body)
        issues = [
            FieldIssue(("body", *path), words, "value_error") for path, words in input_complaints(workflow, given)
        ]
        if issues:
            raise InvalidInputError(tuple(issues))
        return WorkflowCall(workflow=workflow, given=given, document=self._documents[endpoint_id])

    def again(self, document: Mapping[str, Any]) -> Workflow:
        """The workflow of a document that was taken before; raises FlawedWorkflowError when it cannot be done now."""
        return parse_workflow(document, apps=self._apps)

    def _brought_along(self, body: dict[str, Any]) -> WorkflowCall:
        document, given = body.get("workflow"), body.get("input", {})
        if not isinstance(document, dict) or not isinstance(given, dict):
            name = "input" if isinstance(document, dict) else "workflow"
            raise InvalidInputError((FieldIssue(("body", name), "Input should be an object", "dict_type"),))
        # Whoever brings a workflow need not be held to a schema of their own.
        document = {name: value for name, value in document.items() if name != "schema"}
        try:
            workflow = self.again(document)
        except FlawedWorkflowError as error:
            issues = [FieldIssue(("body", "workflow"), flaw, "value_error") for flaw in error.flaws]
            raise InvalidInputError(tuple(issues)) from error
        return WorkflowCall(workflow=workflow, given=given, document=document)
