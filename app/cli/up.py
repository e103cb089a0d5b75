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

from app.cli.announcement import announce, first_drawing_endpoint
from app.cli.client import connected
from app.cli.generate import Order, draw_and_save
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
    """What happens once the server is warm: a first picture, if a file for it is named, then service or return."""

    first_picture: Path | None
    prompt: str
    background: bool


def up(
    config: ConfigOption = LOCAL,
    first_picture: Annotated[
        Path | None, typer.Option(help="Once warm, draw the prompt into this file and judge it.")
    ] = None,
    prompt: Annotated[str, typer.Option(help="What the first picture shows.")] = PROMPT,
    background: Annotated[
        bool, typer.Option("--background", help="Return once warm; `darkroom down` stops it.")
    ] = False,
) -> None:
    """Start Ray and the graph, wait until every model is warm, and serve until Ctrl-C."""
    opening = Opening(first_picture=first_picture, prompt=prompt, background=background)
    asyncio.run(_until_signal(serve(config, opening, sessions=Sessions(), console=Console())))


def down(config: ConfigOption = LOCAL) -> None:
    """Stop the server that runs in the background with this configuration."""
    port = load_settings(config).server.port
    with Console().status("Stopping"):
        found = Sessions().stop(port)
    if not found:
        raise ConfigurationError(f"no server started by you runs in the background on port {port}")


async def serve(config: Path, opening: Opening, *, sessions: Sessions, console: Console) -> None:
    """Serve until cancelled, or until the opening is over if the server shall stay in the background.

    Whatever was started is stopped again by a cancellation or an error, however early.
    """
    began_s = time.monotonic()
    settings = load_settings(config)
    session = sessions.begin(config, settings)
    try:
        await _open(session, settings, opening=opening, console=console, began_s=began_s)
        if not opening.background:
            console.print("Press Ctrl-C to stop.")
            await session.server.ended()
    except BaseException as reason:
        with console.status("Stopping everything that was started"):
            session.end(keep_logs=isinstance(reason, Exception))
        raise
    session.remember()
    console.print("The server stays up in the background; stop it with: [bold]darkroom down[/]")


async def _open(
    session: Session, settings: DarkroomSettings, *, opening: Opening, console: Console, began_s: float
) -> None:
    await _wait(session, console)
    announce(settings, session.server.family, console, ready_s=time.monotonic() - began_s)
    if opening.first_picture is not None:
        endpoint = first_drawing_endpoint(settings)
        order = Order(prompt=opening.prompt, out=opening.first_picture, endpoint=endpoint, seed=1, judge=True)
        async with connected(session.url) as client:
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
