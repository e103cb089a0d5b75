"""`darkroom up` and `darkroom down`: a whole Darkroom on this machine, from one configuration file."""

import asyncio
import contextlib
import signal
import time
from collections.abc import Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.cli.announcement import announce, announce_recipes, first_drawing_endpoint
from app.cli.client import KeyOption, connected
from app.cli.generate import Order, draw_and_save
from app.cli.security import Security, TlsOption, TunnelOption, announce_security, security_of
from app.cli.session import Session, Sessions
from app.config import DarkroomSettings, load_settings
from app.errors import ConfigurationError

LOCAL = Path("configs/local.yaml")
PROMPT = "a red circle left of a blue square"

ConfigOption = Annotated[Path, typer.Option(help="The configuration to serve.")]

STAGES = {
    "ray": "Starting Ray",
    "deploy": "Loading and warming the models",
    "ready": "Waiting for the gateway",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What happens once the server is warm: a first picture, if a file for it is named, then service or return.

    `key` is shown to a server that wants one.
    """

    first_picture: Path | None
    prompt: str
    background: bool
    key: str | None = None


def up(
    config: ConfigOption = LOCAL,
    first_picture: Annotated[
        Path | None, typer.Option(help="Once warm, draw the prompt into this file and judge it.")
    ] = None,
    prompt: Annotated[str, typer.Option(help="What the first picture shows.")] = PROMPT,
    background: Annotated[
        bool, typer.Option("--background", help="Return once warm; `darkroom down` stops it.")
    ] = False,
    tls: TlsOption = False,
    tunnel_port: TunnelOption = None,
    key: KeyOption = None,
) -> None:
    """Start Ray and the graph, wait until every model is warm, and serve until Ctrl-C."""
    opening = Opening(first_picture=first_picture, prompt=prompt, background=background, key=key)
    security = security_of(load_settings(config), tls=tls, tunnel_port=tunnel_port)
    asyncio.run(_until_signal(serve(config, opening, sessions=Sessions(), console=Console(), security=security)))


def down(config: ConfigOption = LOCAL) -> None:
    """Stop the server that runs in the background with this configuration."""
    port = load_settings(config).server.port
    with Console().status("Stopping"):
        found = Sessions().stop(port)
    if not found:
        raise ConfigurationError(f"no server started by you runs in the background on port {port}")


async def serve(
    config: Path, opening: Opening, *, sessions: Sessions, console: Console, security: Security | None = None
) -> None:
    """Serve until cancelled, or until the opening is over if the server shall stay in the background.

    A server that was warm and ends by itself is started again on the same stores. Whatever was started
    is stopped again by a cancellation or an error, however early.
    """
    began_s = time.monotonic()
    settings = load_settings(config)
    session = sessions.begin(config, settings, security)
    try:
        await _wait(session, console)
        _announce(session, settings, security, console=console, ready_s=time.monotonic() - began_s)
        await _draw(session, settings, opening=opening, console=console, security=security)
        if not opening.background:
            console.print("Press Ctrl-C to stop.")
            while True:
                await _until_dead(session, console)
                session = sessions.begin(config, settings, security)
                await _wait(session, console)
                console.print("The server is ready again.")
    except BaseException as reason:
        with console.status("Stopping everything that was started"):
            session.end(keep_logs=isinstance(reason, Exception))
        raise
    session.remember()
    console.print("The server stays up in the background; stop it with: [bold]darkroom down[/]")


async def _until_dead(session: Session, console: Console) -> None:
    """Wait until the server ends by itself, say why, and stop what it left; its logs are kept."""
    try:
        await session.server.ended()
    except ConfigurationError as error:
        console.print(f"{error.detail}\nIt is started again; the logs of the one that ended are in {session.folder}.")
        await asyncio.to_thread(session.end, keep_logs=True)


def _announce(
    session: Session, settings: DarkroomSettings, security: Security | None, *, console: Console, ready_s: float
) -> None:
    announce(settings, session.server.family, console, url=session.url, ready_s=ready_s)
    if security is None:
        announce_recipes(settings, console)
    else:
        announce_security(settings, security, console)


async def _draw(
    session: Session, settings: DarkroomSettings, *, opening: Opening, console: Console, security: Security | None
) -> None:
    if opening.first_picture is not None:
        endpoint = first_drawing_endpoint(settings)
        order = Order(prompt=opening.prompt, out=opening.first_picture, endpoint=endpoint, seed=1, judge=True)
        trust = None if security is None else security.trust
        async with connected(session.url, opening.key, trust=trust) as client:
            await draw_and_save(order, client, console)


async def _wait(session: Session, console: Console) -> None:
    """Show each stage of the start-up: in place on a terminal, line by line in a log."""
    with console.status("Starting") as status:
        async for stage in session.server.starting():
            words = STAGES.get(stage.name, stage.name)
            status.update(words)
            if not console.is_terminal:
                console.print(words)


async def _until_signal(work: Coroutine[None, None, None]) -> None:
    """Run the work; a signal to stop cancels it, once, and is no error."""
    task, loop = asyncio.ensure_future(work), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, task.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await task
