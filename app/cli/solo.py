"""`darkroom solo`: everything in one process, without Ray."""

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

import uvicorn
from rich.console import Console

from app.cli.environment import local_host
from app.cli.security import Security, TlsOption, TunnelOption, announce_security, security_of
from app.cli.tunnel import Place, tunnelling
from app.cli.up import LOCAL, ConfigOption
from app.config import DarkroomSettings, load_settings
from app.telemetry.logs import configure_logging, log_event


def solo(
    config: ConfigOption = LOCAL,
    tls: TlsOption = False,
    tunnel_port: TunnelOption = None,
) -> None:
    """Serve from this process alone, without Ray: one device, no replicas, no dashboard; until Ctrl-C."""
    settings = load_settings(config)
    security = security_of(settings, tls=tls, tunnel_port=tunnel_port)
    configure_logging(settings.telemetry.log_level, sys.stderr)
    run(serve_alone(settings, console=Console(), security=security))


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run the work to its end on the event loop that uvicorn would choose, which is the fastest one there is."""
    with asyncio.Runner(loop_factory=uvicorn.Config("").get_loop_factory()) as runner:
        runner.run(work)


async def serve_alone(settings: DarkroomSettings, *, console: Console, security: Security | None = None) -> None:
    """Load and warm every variant, then serve until a signal; raises ConfigurationError when one cannot be had."""
    from app.embedded import embedded

    async with AsyncExitStack() as stack:
        with console.status("Loading and warming the models"):
            app = await stack.enter_async_context(embedded(settings, observe=log_event))
        where = settings.server
        if security is not None and security.tunnel_port is not None:
            near = Place("127.0.0.1", security.tunnel_port)
            await stack.enter_async_context(tunnelling(near, Place(local_host(where), where.port)))
        options = uvicorn.Config(
            app,
            host=where.host,
            port=where.port,
            log_level="warning",
            access_log=False,
            ssl_certfile=None if security is None else security.certificates.certificate,
            ssl_keyfile=None if security is None else security.certificates.key,
        )
        await _Announced(options, partial(_announce, settings, security, console)).serve()


class _Announced(uvicorn.Server):
    """A server that says so once it listens."""

    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then announce; a server whose start was refused has nothing to say."""
        await super().startup(sockets=sockets)
        if self.started:
            self._announce()


def _announce(settings: DarkroomSettings, security: Security | None, console: Console) -> None:
    where = settings.server
    scheme = "http" if security is None else "https"
    console.print(f"Darkroom is ready at {scheme}://{where.host}:{where.port}; press Ctrl-C to stop.")
    if security is not None:
        announce_security(settings, security, console)
