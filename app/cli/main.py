"""The `darkroom` command."""

import sys
from typing import NoReturn

import typer
from rich.console import Console

from app.cli.audit import audit
from app.cli.batch.command import batch
from app.cli.cache import cache
from app.cli.cluster import render
from app.cli.doctor import doctor
from app.cli.generate import generate
from app.cli.keys import keys
from app.cli.reference import config
from app.cli.scaling.command import scaling
from app.cli.solo import solo
from app.cli.train import train
from app.cli.up import down, up
from app.errors import DarkroomError


def command_line() -> typer.Typer:
    """All commands, without running any."""
    application = typer.Typer(
        help="An image cloud on your own GPUs.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for command in (up, down, solo, generate, batch, train, doctor, config, render, audit):
        application.command()(command)
    application.add_typer(scaling, name="scaling")
    application.add_typer(cache, name="cache")
    application.add_typer(keys, name="keys")
    return application


def main() -> None:
    """Run the command line; what can be expected to fail is one line and status 1, never a traceback."""
    try:
        command_line()()
    except DarkroomError as error:
        _fail(error.detail)
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))


def _fail(reason: str) -> NoReturn:
    Console(stderr=True, soft_wrap=True).print(f"Error: {reason}", style="red", markup=False, highlight=False)
    sys.exit(1)
