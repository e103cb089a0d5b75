"""Tasks that run beside the store and end with it."""

import asyncio


async def until_cancelled(task: "asyncio.Task[None] | None") -> None:
    """Cancel the task and wait until it has ended."""
    if task is not None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
