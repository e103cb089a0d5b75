"""`darkroom solo`: everything in one process, without Ray."""

import asyncio
import socket
import sys
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import typer
import uvicorn
from rich.console import Console

from app.cli.announcement import announce_tls
from app.cli.certificates import Certificates, local_certificates
from app.cli.environment import local_host
from app.cli.tunnel import Place, tunnelling
from app.cli.up import LOCAL, ConfigOption
from app.config import DarkroomSettings, load_settings
from app.errors import ConfigurationError
from app.telemetry.logs import configure_logging, log_event


@dataclass(frozen=True, slots=True)
class Security:
    """Certificates to serve with, and the port on which tunnels are offered, if any."""

    certificates: Certificates
    tunnel_port: int | None


def solo(
    config: ConfigOption = LOCAL,
    tls: Annotated[
        bool, typer.Option("--tls", help="Serve https by a certificate authority of this machine, made once.")
    ] = False,
    tunnel_port: Annotated[
        int | None, typer.Option(help="With --tls: offer an HTTPS proxy there that leads fal's hosts here.")
    ] = None,
) -> None:
    """Serve from this process alone, without Ray: one device, no replicas, no dashboard; until Ctrl-C."""
    settings = load_settings(config)
    if tunnel_port is not None and not tls:
        raise ConfigurationError("--tunnel-port needs --tls: what goes through a tunnel is encrypted")
    security = Security(local_certificates(settings.server.host), tunnel_port) if tls else None
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
        port = security.tunnel_port
        proxy = None if port is None else f"http://127.0.0.1:{port}"
        announce_tls(f"{local_host(where)}:{where.port}", security.certificates.bundle, console, proxy=proxy)
