"""`darkroom scaling replay`: what a day that was would have cost under other rules."""

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from app.cli.scaling.tables import summary_table
from app.config.autoscaling import DeploymentScaling, ScalingSettings, load_scaling
from app.errors import ConfigurationError
from app.simulation.scaling.summary import Summary

# Ray Serve's policy is Ray's own code, so the comparison runs where Ray may be imported.
REPLAY = (sys.executable, "-m", "deployments.scaling_replay")
MEMORY = Path("~/.cache/darkroom/scaling")


def replay(
    deployment: Annotated[str, typer.Argument(help="Which deployment, by the name that settings of scaling use.")],
    memory: Annotated[Path, typer.Option(help="The folder in which the history of the load is kept.")] = MEMORY,
    config: Annotated[Path | None, typer.Option(help="Settings of scaling; absent: their defaults.")] = None,
    day: Annotated[str | None, typer.Option(help="Which day of UTC, as 2026-11-24; absent: yesterday.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON.")] = False,
) -> None:
    """Say what a day would have cost as it is set, without forecasts, under Ray Serve's policy, and in hindsight."""
    settings = load_scaling(config) if config else ScalingSettings()
    chosen = day_of(day, today=datetime.now(UTC).date())
    arguments = [deployment, "--memory", str(memory.expanduser()), "--day", chosen.isoformat()]
    said = run(REPLAY, [*arguments, *(["--config", str(config)] if config else [])])
    if as_json:
        typer.echo(said, nl=False)
        return
    rows = {label: Summary(**numbers) for label, numbers in json.loads(said).items()}
    own = settings.deployments.get(deployment, DeploymentScaling())
    currency = settings.budget.currency if settings.budget else "EUR"
    Console().print(summary_table(rows, cost_per_hour=own.gpu_cost_per_hour, currency=currency))


def day_of(text: str | None, *, today: date) -> date:
    """The day that is meant; raises ConfigurationError for one that cannot be read or is not over."""
    try:
        day = date.fromisoformat(text) if text else today - timedelta(days=1)
    except ValueError as error:
        raise ConfigurationError(f"{text!r} is no day; write it as {today.isoformat()}") from error
    if day >= today:
        raise ConfigurationError(f"{day.isoformat()} is not over yet")
    return day


def run(command: Sequence[str], arguments: Sequence[str]) -> str:
    """What the command prints; raises ConfigurationError with its last words when it fails."""
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        words = done.stderr.strip().splitlines() or ["no reason given"]
        raise ConfigurationError(words[-1].removeprefix("Error: "))
    return done.stdout
