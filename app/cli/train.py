"""`darkroom train`: make the built-in models again, with progress; an interrupted training goes on where it was."""

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

from app.cli.machine import WEIGHTS

if TYPE_CHECKING:
    from app.builtin.training.stage import Progress as StageProgress


# Hints of the libraries about torchvision and data types, which would break the bars; read when they are imported.
QUIET = {"TRANSFORMERS_VERBOSITY": "error", "DIFFUSERS_VERBOSITY": "error"}


class StageBars:
    """One bar for each stage of the training, with its latest measurements."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, report: "StageProgress") -> None:
        """Show how far a stage has come."""
        if report.stage not in self._tasks:
            self._tasks[report.stage] = self._progress.add_task(report.stage, total=1.0, facts="")
        task = self._tasks[report.stage]
        self._progress.update(task, completed=report.share)
        if report.metrics:
            facts = ", ".join(f"{name} {value:.4g}" for name, value in report.metrics.items())
            self._progress.update(task, facts=facts)


def train(
    minutes: Annotated[float, typer.Option(min=0.1, help="Wall-clock time for all stages together.")] = 90.0,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of every stage, instead of minutes; makes the result repeatable.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Where the randomness starts.")] = 1,
    threads: Annotated[int | None, typer.Option(min=1, help="CPU threads; absent: as PyTorch chooses.")] = None,
    out: Annotated[Path, typer.Option(help="Where the finished models go.")] = WEIGHTS,
    folder: Annotated[Path, typer.Option(help="Where checkpoints are kept.")] = Path(".training"),
    restart: Annotated[bool, typer.Option("--restart", help="Throw the checkpoints away and begin anew.")] = False,
) -> None:
    """Train the built-in models; run it again to go on after an interruption or with more minutes."""
    os.environ.update(QUIET)
    from app.builtin.training.train import TrainingSettings
    from app.builtin.training.train import train as train_models

    if restart:
        shutil.rmtree(folder, ignore_errors=True)
    settings = TrainingSettings(folder=folder, weights=out, seed=seed, minutes=minutes, steps=steps, threads=threads)
    console = Console()
    with _stage_display(console) as progress:
        train_models(settings, StageBars(progress))
    console.print(f"The models are in {out}.", highlight=False)


def _stage_display(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description:>9}"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[facts]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
        console=console,
        expand=True,
    )
