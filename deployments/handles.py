"""Ray Serve handles behind the ports that `app` declares."""

from collections.abc import AsyncIterator
from typing import Any

from ray.serve.handle import DeploymentHandle

from app.cache.similar import SimilarQuestion
from app.cache.similar.ports import BandAudit, Considered, Found, NamespaceRecord
from app.cache.takedown import Takedown
from app.errors import RouterLostError
from app.generation import Job, JobEvent, Picture
from app.routing.ports import Finished
from deployments.plain_errors import plain_errors


class RouterHandle:
    """The router deployment as the service's Generator."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle
        self._stream = handle.options(stream=True)

    async def run(self, job: Job) -> AsyncIterator[JobEvent]:
        """Make one picture in the router; events arrive as they happen; raises RouterLostError with its process."""
        with plain_errors(RouterLostError):
            async for event in self._stream.run.remote(job):
                yield event

    async def cancel(self, job_id: str) -> bool:
        """Stop a job wherever it is; a router that is gone has forgotten it."""
        with plain_errors(RouterLostError):
            return bool(await self._handle.cancel.remote(job_id))


class UpscalerHandle:
    """The upscaler deployment as the router's Finisher."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle

    async def finish(self, job: Job, source_key: str) -> Finished:
        """Bring a stored picture to the job's size and encoding."""
        with plain_errors():
            finished: Finished = await self._handle.finish.remote(job, source_key)
            return finished


class SemanticCacheHandle:
    """The replicas of the semantic cache as one `SimilarPictures`: each namespace is asked of one of them."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle

    async def find(self, question: SimilarQuestion) -> Found | None:
        """A picture that may answer now."""
        with plain_errors():
            found: Found | None = await self._of(question).find.remote(question)
            return found

    async def taken(self, question: SimilarQuestion, found: Found) -> None:
        """The picture that was found has answered the question."""
        with plain_errors():
            await self._of(question).taken.remote(question, found)

    async def add(self, question: SimilarQuestion, picture: Picture) -> None:
        """Remember the picture that was made for the question."""
        with plain_errors():
            await self._of(question).add.remote(question, picture)

    async def explain(self, prompt: str, *, tenant: str) -> tuple[Considered, ...]:
        """Who would be nominated for the prompt, by any replica."""
        return tuple(await self._of_all("explain", prompt, tenant))

    async def audit(self, most: int) -> tuple[BandAudit, ...]:
        """Judge would-be hits among stored prompts, on every replica."""
        return tuple(await self._of_all("audit", most))

    async def purge(self, takedown: Takedown) -> frozenset[str]:
        """Forget the entries that are meant, on every replica."""
        return frozenset(await self._of_all("purge", takedown))

    async def stats(self) -> tuple[NamespaceRecord, ...]:
        """What every namespace in memory of any replica holds."""
        return tuple(await self._of_all("stats"))

    async def _of_all(self, method: str, *arguments: Any) -> list[Any]:
        """What the replicas answer, one after another."""
        with plain_errors():
            replicas = await self._handle.broadcast(method, *arguments).results_async()
            return [each for answers in replicas for each in answers]

    def _of(self, question: SimilarQuestion) -> DeploymentHandle[Any]:
        handle: DeploymentHandle[Any] = self._handle.options(session_id=question.namespace.name)
        return handle
