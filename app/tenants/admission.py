"""What decides whether a request may begin, and hears what came of it."""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Protocol

from app.generation import Picture


class Admission(Protocol):
    """Asked before a tenant's request begins; told about the pictures that were made for it."""

    def direct(self, tenant: str) -> AbstractAsyncContextManager[None]:
        """A direct request is under way as long as the block; raises QuotaExceededError."""
        ...

    async def queued(self, tenant: str) -> None:
        """A request comes into the queue; raises QuotaExceededError."""
        ...

    def made(self, tenant: str, pictures: tuple[Picture, ...]) -> None:
        """These pictures answer a request of the tenant; those that were made for it are charged."""
        ...


class Everybody:
    """Admits every request and counts nothing."""

    def direct(self, tenant: str) -> AbstractAsyncContextManager[None]:
        """Come in."""
        return nullcontext()

    async def queued(self, tenant: str) -> None:
        """Come in."""

    def made(self, tenant: str, pictures: tuple[Picture, ...]) -> None:
        """Nobody counts."""
