"""`/batches`: begin one, see how far it is, read its manifest, cancel it."""

import asyncio
import re
from dataclasses import asdict, replace
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.api.batches.director import ENDPOINT, KIND, document_of
from app.api.batches.ledger import Ledger, counted
from app.api.batches.orders import Orders
from app.api.errors import error_body
from app.api.fal.dialect import Dialect
from app.api.fal.headers import webhook_url
from app.api.fal.idempotency import once_of
from app.api.fal.translate import Call
from app.compound import CompoundRequest
from app.errors import DarkroomError, JobCancelledError, UnknownRequestError
from app.generation import Tier
from app.handling import Webhook
from app.storage.blobs import BlobStore
from app.storage.expiry import Sweeper
from app.storage.jobs import RequestView

_PATH = "/batches/{batch_id}"
_BATCH_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
# A batch is known by this label even when it is over, and its rows are forgotten.
_TOTAL = "rows"


class BatchRoutes:
    """Batches as objects in the shape of OpenAI's; a row's request can be asked for like any other."""

    def __init__(self, dialect: Dialect, orders: Orders, blobs: BlobStore) -> None:
        self._dialect = dialect
        self._service = dialect.service
        self._orders = orders
        self._blobs = blobs
        self._sweeper = Sweeper(blobs)

    def add_to(self, app: Starlette) -> None:
        """Add the routes."""
        app.add_route("/batches", self.begin, methods=["POST"])
        app.add_route(_PATH, self.show, methods=["GET"])
        app.add_route(f"{_PATH}/manifest", self.manifest, methods=["GET"])
        app.add_route(f"{_PATH}/cancel", self.cancel, methods=["POST", "PUT"])

    async def begin(self, request: Request) -> Response:
        """Take the rows, once all of them have been found right."""
        url = webhook_url(request.query_params)
        call = self._dialect.call(request, tier=Tier.BATCH)
        if url is not None:
            call = replace(call, webhook=Webhook(url, call.base_url))
        body = await self._dialect.body(request)
        once = once_of(request.headers, tenant=call.tenant, endpoint_id=_once_name(request), body=body)
        table = await self._orders.table(request.headers, request.query_params, body, own_base=call.base_url)
        tasks = await asyncio.to_thread(self._orders.tasks, table)
        await self._sweeper.sweep()
        view = await self._service.submit(_compound(call, document_of(tasks), len(tasks)), once=once)
        request.state.request_id = view.request_id
        return await self._answer(view, request)

    async def show(self, request: Request) -> Response:
        """The batch as it stands."""
        return await self._answer(await self._view(request), request)

    async def manifest(self, request: Request) -> Response:
        """What came of the rows that are over, a JSON line for each in their order."""
        lines = await self._ledger(await self._view(request)).read()
        return Response(lines, media_type="application/x-ndjson")

    async def cancel(self, request: Request) -> Response:
        """Stop the batch and the rows that are not over."""
        view = await self._view(request)
        await self._service.cancel(view.request_id, tenant=view.tenant)
        return await self._answer(await self._view(request), request)

    async def _view(self, request: Request) -> RequestView:
        batch_id = request.path_params["batch_id"]
        if _BATCH_ID.fullmatch(batch_id) is None:
            raise UnknownRequestError("no such batch")
        request.state.request_id = batch_id
        tenant = self._dialect.call(request, tier=Tier.BATCH).tenant
        view = await self._service.status(batch_id, tenant=tenant)
        if view.endpoint != ENDPOINT:
            raise UnknownRequestError(f"no batch {batch_id}")
        return view

    async def _answer(self, view: RequestView, request: Request) -> Response:
        base = self._dialect.base_url(request)
        counts = counted(await self._ledger(view).read(), int(dict(view.tags)[_TOTAL]))
        return JSONResponse(batch_object(view, asdict(counts), f"{base}/batches/{view.request_id}"))

    def _ledger(self, view: RequestView) -> Ledger:
        return Ledger(self._blobs, view.request_id, begun_s=view.logs[0].at_s)


def batch_object(view: RequestView, counts: dict[str, int], url: str) -> dict[str, Any]:
    """The batch in the shape of OpenAI's, with the URLs by which it is asked for."""
    return {
        "id": view.request_id,
        "object": "batch",
        "status": _status(view),
        "created_at": int(view.logs[0].at_s),
        "completed_at": int(view.logs[-1].at_s) if view.is_completed else None,
        "request_counts": counts,
        "errors": None if view.error is None else error_body(view.error),
        "manifest_url": f"{url}/manifest",
        "cancel_url": f"{url}/cancel",
    }


def _status(view: RequestView) -> str:
    if not view.is_completed:
        return "in_progress"
    match view.error:
        case None:
            return "completed"
        case JobCancelledError():
            return "cancelled"
        case DarkroomError():
            return "failed"


def _once_name(request: Request) -> str:
    """What besides the body tells two calls apart."""
    return f"{ENDPOINT} {request.query_params.get('endpoint', '')}"


def _compound(call: Call, document: str, rows: int) -> CompoundRequest:
    return CompoundRequest(
        request_id=call.request_id,
        tenant=call.tenant,
        endpoint=ENDPOINT,
        kind=KIND,
        document=document,
        base_url=call.base_url,
        tier=call.tier,
        ephemeral=call.is_ephemeral,
        caller=call.caller,
        file_salt=call.file_salt,
        webhook=call.webhook,
        handling=replace(call.handling, tags=(*call.handling.tags, (_TOTAL, str(rows)))),
    )
