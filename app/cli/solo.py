"""`darkroom solo`: everything in one process, without Ray."""

import asyncio
import sys
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import uvicorn
from rich.console import Console

from app.cli.up import LOCAL, ConfigOption
from app.config import DarkroomSettings, load_settings
from app.telemetry.logs import configure_logging, log_event


def solo(config: ConfigOption = LOCAL) -> None:
    """Serve from this process alone, without Ray: one device, no replicas, no dashboard; until Ctrl-C."""
    settings = load_settings(config)
    configure_logging(settings.telemetry.log_level, sys.stderr)
    run(serve_alone(settings, console=Console()))


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run the work to its end on the event loop that uvicorn would choose, which is the fastest one there is."""
    with asyncio.Runner(loop_factory=uvicorn.Config("").get_loop_factory()) as runner:
        runner.run(work)


async def serve_alone(settings: DarkroomSettings, *, console: Console) -> None:
    """Load and warm every variant, then serve until a signal; raises ConfigurationError when one cannot be had."""
    from app.embedded import embedded

    async with AsyncExitStack() as stack:
        with console.status("Loading and warming the models"):
            app = await stack.enter_async_context(embedded(settings, observe=log_event))
        where = settings.server
        console.print(f"Darkroom is ready at http://{where.host}:{where.port}; press Ctrl-C to stop.")
        options = uvicorn.Config(app, host=where.host, port=where.port, log_level="warning", access_log=False)
        await uvicorn.Server(options).serve()
