"""The semantic cache's process: some of the namespaces, their encoder and their judge."""

from app.cache.similar import SimilarQuestion
from app.cache.similar.ports import BandAudit, Considered, Found, NamespaceRecord
from app.cache.takedown import Takedown
from app.config import DarkroomSettings
from app.generation import Picture
from app.similarity import open_similar
from app.storage.blobs import open_blobs
from deployments.telemetry import observer_of


class SemanticCache:
    """Gives `app.cache.similar.SimilarCache` its process; what another one knew is read when it is first asked for."""

    async def __init__(self, settings: DarkroomSettings) -> None:  # type: ignore[misc] # Serve awaits it
        self._cache = await open_similar(
            settings.cache,
            open_blobs(settings.storage),
            observe=observer_of(settings.telemetry, service="semantic-cache"),
        )

    async def find(self, question: SimilarQuestion) -> Found | None:
        """See `app.cache.similar.ports.SimilarPictures`, as for all that follows."""
        return await self._cache.find(question)

    async def taken(self, question: SimilarQuestion, found: Found) -> None:
        """The picture that was found has answered the question."""
        await self._cache.taken(question, found)

    async def add(self, question: SimilarQuestion, picture: Picture) -> None:
        """Remember the picture that was made for the question."""
        await self._cache.add(question, picture)

    async def explain(self, prompt: str, tenant: str) -> tuple[Considered, ...]:
        """Who would be nominated for the prompt."""
        return await self._cache.explain(prompt, tenant=tenant)

    async def audit(self, most: int) -> tuple[BandAudit, ...]:
        """Judge would-be hits among stored prompts."""
        return await self._cache.audit(most)

    async def purge(self, takedown: Takedown) -> frozenset[str]:
        """Forget the entries that are meant, here and in the shared store."""
        return await self._cache.purge(takedown)

    async def stats(self) -> tuple[NamespaceRecord, ...]:
        """What the namespaces in memory hold and have shown."""
        return await self._cache.stats()

    async def __del__(self) -> None:
        """Write what waits to be written when Serve stops this replica."""
        await self._cache.close()
