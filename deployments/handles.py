"""Ray Serve handles behind the ports that `app` declares."""

from collections.abc import AsyncIterator
from typing import Any

from ray.serve.handle import DeploymentHandle

from app.generation import Job, JobEvent
from app.routing.ports import Finished
from deployments.plain_errors import plain_errors


class RouterHandle:
    """The router deployment as the service's Generator."""

    def __init__(self, handle: DeploymentHandle[Any]) -> None:
        self._handle = handle
        self._stream = handle.options(stream=True)

    async def run(self, job: Job) -> AsyncIterator[JobEvent]:
        """Make one picture in the router; events arrive as they happen."""
        with plain_errors():
            async for event in self._stream.run.remote(job):
                yield event

    async def cancel(self, job_id: str) -> bool:
        """Stop a job wherever it is."""
        with plain_errors():
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
