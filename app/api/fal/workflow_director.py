"""Queued workflows: begun again where they were, by whoever takes them over."""

import asyncio
import json
from contextlib import aclosing
from functools import partial
from typing import Any

from app.api.fal.dialect import Dialect
from app.api.fal.parts import Parts
from app.api.fal.translate import Call
from app.api.fal.workflow_nodes import NodeCalls
from app.api.fal.workflow_table import WorkflowTable
from app.compound import CompoundRequest
from app.errors import DarkroomError, GenerationFailedError
from app.requests import Note
from app.workflows import Completed, Event, Failed, Finished, FlawedWorkflowError, RunNode, Submitted, Workflow, execute

KIND = "workflow"


class WorkflowDirector:
    """Carries out the workflows of compound requests; every run node is a queued request, known by the parent's id."""

    def __init__(self, dialect: Dialect, table: WorkflowTable) -> None:
        self._table = table
        self._calls = NodeCalls(dialect)
        self._parts = Parts(dialect.service)

    async def direct(self, request: CompoundRequest, note: Note) -> dict[str, Any]:
        """The output of the workflow; raises the error of the node that failed.

        Its parts are cancelled with it, but not when this process alone is stopped.
        """
        submitted: set[str] = set()
        try:
            return await self._carried_out(request, note, submitted)
        except DarkroomError:
            await self._parts.cancel(submitted, request.tenant)
            raise
        except asyncio.CancelledError:
            if await self._parts.is_over(request):
                await self._parts.cancel(submitted, request.tenant)
            raise

    async def _carried_out(self, request: CompoundRequest, note: Note, submitted: set[str]) -> dict[str, Any]:
        kept = json.loads(request.document)
        perform = partial(self._calls.by_the_queue, call_of(request))
        async with aclosing(execute(self._workflow(kept["workflow"]), kept["input"], perform)) as events:
            async for event in events:
                note(line_of(event))
                match event:
                    case Submitted(request_id=part):
                        submitted.add(part)
                    case Failed(error=error):
                        raise error
                    case Finished(output=output):
                        return output
        raise GenerationFailedError("the workflow ended without an output")

    def _workflow(self, document: dict[str, Any]) -> Workflow:
        try:
            return self._table.again(document)
        except FlawedWorkflowError as error:
            raise GenerationFailedError(f"the workflow cannot be carried out any more: {error.detail}") from error


def document_of(workflow: Any, given: dict[str, Any]) -> str:
    """What a compound request keeps of a workflow and its input."""
    return json.dumps({"workflow": workflow, "input": given})


def call_of(request: CompoundRequest) -> Call:
    """The call that the parts of a compound request inherit."""
    return Call(
        request_id=request.request_id,
        tier=request.tier,
        base_url=request.base_url,
        start_timeout_s=request.start_timeout_s,
        caller=request.caller,
        tenant=request.tenant,
        file_salt=request.file_salt,
        is_ephemeral=request.ephemeral,
        handling=request.handling,
    )


def line_of(event: Event) -> str:
    """The event as a line of the caller's log."""
    match event:
        case Submitted(node=node, request_id=request_id):
            return f"{node.node_id}: {node.app} as request {request_id}"
        case Completed(node=node):
            return f"{node.node_id}: completed" if isinstance(node, RunNode) else f"{node.node_id}: shown"
        case Failed(node=node, error=error):
            return f"{node.node_id}: failed: {error.detail}"
        case Finished():
            return "every node is completed"
