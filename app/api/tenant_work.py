"""What is done about tenants as long as the application lives."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.types import Lifespan

from app.tenants.tenancy import Tenancy


def with_tenancy(lifespan: Lifespan[FastAPI], tenancy: Tenancy) -> Lifespan[FastAPI]:
    """The lifespan, with the ledger kept inside it; at its end everything noted is written down."""

    @asynccontextmanager
    async def at_work(app: FastAPI) -> AsyncIterator[None]:
        async with lifespan(app):
            task = asyncio.create_task(tenancy.ledger.run())
            try:
                yield
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
                await tenancy.notebook.flush()

    return at_work
