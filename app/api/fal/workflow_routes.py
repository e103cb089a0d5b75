"""Workflows as endpoints: called, streamed and queued like any other."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.body import parse_object
from app.api.connection import while_connected
from app.api.errors import error_body
from app.api.fal.access import RealtimeAccess
from app.api.fal.dialect import Dialect
from app.api.fal.headers import queue_tier, webhook_url
from app.api.fal.idempotency import once_of
from app.api.fal.paths import endpoint_id, not_found
from app.api.fal.status import submitted
from app.api.fal.translate import Call
from app.api.fal.workflow_director import KIND, document_of
from app.api.fal.workflow_nodes import NodeCalls
from app.api.fal.workflow_table import NAMESPACE, WorkflowCall, WorkflowTable
from app.api.sse import EventStream
from app.compound import CompoundRequest
from app.errors import GenerationFailedError, InvalidInputError
from app.generation import Tier
from app.handling import Webhook
from app.storage.jobs import RequestView
from app.workflows import Completed, Event, Failed, Finished, Submitted, execute

_STREAM = "/stream"
_PATH = "workflows/{path:path}"


class WorkflowRoutes:
    """`workflows/{owner}/{name}` and `workflows/execute`, below `/run` and `/queue`; results as of any other."""

    def __init__(self, dialect: Dialect, table: WorkflowTable, access: RealtimeAccess) -> None:
        self._dialect = dialect
        self._table = table
        self._access = access
        self._calls = NodeCalls(dialect)

    def add_to(self, app: Starlette) -> None:
        """Add the routes."""
        app.add_route(f"/queue/{_PATH}", self.submit, methods=["POST"])
        app.add_route(f"/run/{_PATH}", self.run, methods=["POST"])
        app.add_route(f"/{_PATH}", self.run, methods=["POST"])

    async def run(self, request: Request) -> Response:
        """Carry it out now; the answer is the output, or a stream of events that ends with it."""
        name = _name(request)
        is_stream = name.endswith(_STREAM) and name not in self._table
        if is_stream:
            name = name.removesuffix(_STREAM)
            self._access.check(request.query_params.get("fal_jwt_token"), name)
        if name not in self._table:
            raise not_found(name)
        call = self._dialect.call(request, tier=Tier.INTERACTIVE)
        asked = self._table.call(name, parse_object(await self._dialect.body(request)))
        watched = self._dialect.settings.cancel_on_disconnect
        if is_stream:
            return await EventStream.opened(self._told(asked, call), request, stops=watched)
        work = self._output(asked, call)
        return JSONResponse(await (while_connected(request, work) if watched else work))

    async def submit(self, request: Request) -> Response:
        """Take it into the queue; invalid input is taken too, and completes with its error."""
        name = _name(request)
        if name not in self._table:
            raise not_found(name)
        url = webhook_url(request.query_params)
        call = self._dialect.call(request, tier=queue_tier(request.headers))
        if url is not None:
            call = replace(call, webhook=Webhook(url, call.base_url))
        view = await self._accepted(name, await self._dialect.body(request), call, request)
        request.state.request_id = view.request_id
        return JSONResponse(submitted(view, self._dialect.addresses(request).queue))

    async def _accepted(self, name: str, body: bytes, call: Call, request: Request) -> RequestView:
        once = once_of(request.headers, tenant=call.tenant, endpoint_id=name, body=body)
        try:
            asked = self._table.call(name, parse_object(body))
        except InvalidInputError as error:
            return await self._dialect.service.record_failure(
                call.request_id, name, error, once=once, webhook=call.webhook, tenant=call.tenant
            )
        return await self._dialect.service.submit(_compound(name, asked, call), once=once)

    async def _output(self, asked: WorkflowCall, call: Call) -> dict[str, Any]:
        async with aclosing(execute(asked.workflow, asked.given, partial(self._calls.directly, call))) as events:
            async for event in events:
                match event:
                    case Failed(error=error):
                        raise error
                    case Finished(output=output):
                        return output
        raise GenerationFailedError("the workflow ended without an output")

    async def _told(self, asked: WorkflowCall, call: Call) -> AsyncIterator[dict[str, Any]]:
        async with aclosing(execute(asked.workflow, asked.given, partial(self._calls.directly, call))) as events:
            async for event in events:
                yield event_body(event)


def event_body(event: Event) -> dict[str, Any]:
    """The event as fal's clients know it."""
    match event:
        case Submitted(node=node, request_id=request_id):
            return {"type": "submit", "node_id": node.node_id, "app_id": node.app, "request_id": request_id}
        case Completed(node=node, output=output):
            return {"type": "completion", "node_id": node.node_id, "output": output}
        case Finished(output=output):
            return {"type": "output", "output": output}
        case Failed(node=node, error=error):
            answer = {"status": error.status, "body": error_body(error)}
            return {"type": "error", "node_id": node.node_id, "message": error.detail, "error": answer}


def _name(request: Request) -> str:
    return f"{NAMESPACE}{endpoint_id(request.path_params['path'])}"


def _compound(name: str, asked: WorkflowCall, call: Call) -> CompoundRequest:
    return CompoundRequest(
        request_id=call.request_id,
        tenant=call.tenant,
        endpoint=name,
        kind=KIND,
        document=document_of(asked.document, asked.given),
        base_url=call.base_url,
        tier=call.tier,
        start_timeout_s=call.start_timeout_s,
        ephemeral=call.is_ephemeral,
        caller=call.caller,
        file_salt=call.file_salt,
        webhook=call.webhook,
        handling=call.handling,
    )
