"""The `darkroom` command."""

import sys

import typer
from rich.console import Console

from app.cli.cluster import render
from app.cli.doctor import doctor
from app.cli.generate import generate
from app.cli.reference import config
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
    for command in (up, down, generate, train, doctor, config, render):
        application.command()(command)
    return application


def main() -> None:
    """Run the command line; our own errors are one line and status 1, never a traceback."""
    try:
        command_line()()
    except DarkroomError as error:
        Console(stderr=True).print(f"[red]Error:[/] {error.detail}", highlight=False, soft_wrap=True)
        sys.exit(1)
