"""Queued calls: submit, status, status stream, result and cancel."""

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.body import parse_object
from app.api.caller import identity_of
from app.api.fal.dialect import Dialect
from app.api.fal.endpoints import Endpoint
from app.api.fal.headers import max_queue_length, queue_tier, wants_logs, webhook_url
from app.api.fal.idempotency import once_of
from app.api.fal.paths import QueueAction, QueueCall, endpoint_id, not_found, queue_call
from app.api.fal.status import status_code, status_object, submitted
from app.api.fal.translate import Call
from app.api.sse import EventStream
from app.compound import CompoundResult
from app.errors import InvalidInputError, OverloadedError
from app.handling import Webhook
from app.storage.jobs import RequestState, RequestView

_RETRY_AFTER_S = 1.0


class QueueRoutes:
    """Everything below `/queue`."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._service = dialect.service

    def add_to(self, app: Starlette) -> None:
        """Add the routes."""
        app.add_route("/queue/{path:path}", self.submit, methods=["POST"])
        app.add_route("/queue/{path:path}", self.read, methods=["GET"])
        app.add_route("/queue/{path:path}", self.cancel, methods=["PUT"])

    async def submit(self, request: Request) -> Response:
        """Take a request into the queue; invalid input is taken too, and completes with its error."""
        endpoint = self._dialect.endpoints.find(endpoint_id(request.path_params["path"]))
        url = webhook_url(request.query_params)
        self._refuse_when_full(endpoint, max_queue_length(request.query_params))
        call = self._dialect.call(request, tier=queue_tier(request.headers))
        if url is not None:
            call = replace(call, webhook=Webhook(url, call.base_url))
        view = await self._accepted(endpoint, await self._dialect.body(request), call, request)
        request.state.request_id = view.request_id
        return JSONResponse(submitted(view, self._queue_url(request)))

    async def read(self, request: Request) -> Response:
        """Status, status stream or result of a queued request."""
        call = _call_about_request(request)
        match call.action:
            case QueueAction.STATUS:
                return await self._status(call.request_id, request)
            case QueueAction.STATUS_STREAM:
                return await EventStream.opened(self._changes(call.request_id, request), request)
            case QueueAction.RESULT:
                return await self._result(call.request_id, request)
            case QueueAction.CANCEL:
                raise not_found(request.path_params["path"])

    async def cancel(self, request: Request) -> Response:
        """Ask a queued request to stop."""
        call = _call_about_request(request)
        if call.action is not QueueAction.CANCEL:
            raise not_found(request.path_params["path"])
        await self._service.cancel(call.request_id, tenant=identity_of(request).tenant)
        return JSONResponse({"status": "CANCELLATION_REQUESTED"}, status_code=202)

    def _refuse_when_full(self, endpoint: Endpoint, limit: int | None) -> None:
        if limit is not None and self._service.waiting(endpoint.endpoint_id) > limit:
            raise OverloadedError(f"More than {limit} requests are waiting", _RETRY_AFTER_S)

    async def _accepted(self, endpoint: Endpoint, body: bytes, call: Call, request: Request) -> RequestView:
        once = once_of(request.headers, tenant=call.tenant, endpoint_id=endpoint.endpoint_id, body=body)
        try:
            asked = await self._dialect.translator.request(endpoint, parse_object(body), call)
        except InvalidInputError as error:
            name = endpoint.endpoint_id
            return await self._service.record_failure(
                call.request_id, name, error, once=once, webhook=call.webhook, tenant=call.tenant
            )
        return await self._service.submit(asked, once=once)

    async def _status(self, request_id: str, request: Request) -> Response:
        view = await self._service.status(request_id, tenant=identity_of(request).tenant)
        logs = view.logs if wants_logs(request.query_params) else ()
        body = status_object(view, self._queue_url(request), logs=logs)
        return JSONResponse(body, status_code=status_code(view))

    async def _changes(self, request_id: str, request: Request) -> AsyncIterator[dict[str, Any]]:
        queue_url = self._queue_url(request)
        logged = wants_logs(request.query_params)
        sent = 0
        async for view in self._service.watch(request_id, tenant=identity_of(request).tenant):
            yield status_object(view, queue_url, logs=view.logs[sent:] if logged else ())
            sent = 0 if view.state is RequestState.QUEUED else len(view.logs)

    async def _result(self, request_id: str, request: Request) -> Response:
        tenant = identity_of(request).tenant
        generation = await self._service.result(request_id, tenant=tenant)
        if isinstance(generation, CompoundResult):
            return JSONResponse(generation.output)
        endpoint = self._dialect.endpoints.find((await self._service.status(request_id, tenant=tenant)).endpoint)
        return await self._dialect.answer(endpoint, generation, request, inline=generation.inline)

    def _queue_url(self, request: Request) -> str:
        return self._dialect.addresses(request).queue


def _call_about_request(request: Request) -> QueueCall:
    call = queue_call(request.path_params["path"])
    request.state.request_id = call.request_id
    return call
