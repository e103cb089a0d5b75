"""Deleting files: a URL lets everybody read, but only the tenant whose file it is may delete it."""

from collections.abc import Callable

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response

from app.api.caller import identity_of
from app.api.files import PREFIXES, public_key
from app.errors import NotFoundError
from app.storage.blobs import BlobStore
from app.storage.keys import derived_folder
from app.tenants.ledger import Ledger


class DeletionRoutes:
    """`DELETE /files/{key}`, also below `/cdn`."""

    def __init__(self, blobs: BlobStore, ledger: Ledger, *, clock: Callable[[], float]) -> None:
        self._blobs = blobs
        self._ledger = ledger
        self._clock = clock

    def add_to(self, app: Starlette) -> None:
        """Add the routes."""
        for prefix in PREFIXES:
            app.add_route(f"{prefix}/files/{{key:path}}", self.delete, methods=["DELETE"])

    async def delete(self, request: Request) -> Response:
        """Delete a file of the caller's tenant; another's is not found, by the same look-ups."""
        key = public_key(request.path_params["key"], now_s=self._clock())
        is_there = await self._blobs.exists(key)
        is_own = await self._ledger.owns(identity_of(request).tenant, key)
        if not (is_there and is_own):
            raise NotFoundError("no such file")
        for file in (*await self._blobs.keys(derived_folder(key)), key):
            await self._blobs.delete(file)
        await self._ledger.forget_file(key)
        return Response(status_code=204)
