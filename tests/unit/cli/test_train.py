"""What `darkroom train` shows."""

import io

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn
from typer.testing import CliRunner

from app.builtin.training.stage import Progress as StageProgress
from app.cli.main import command_line
from app.cli.train import StageBars


@pytest.fixture
def progress() -> Progress:
    """A display that nobody sees."""
    return Progress(TextColumn("{task.description}"), console=Console(file=io.StringIO()))


def test_one_bar_per_stage(progress: Progress) -> None:
    """Each stage has its bar, as far along as its last report says."""
    show = StageBars(progress)
    for stage, share in (("text", 0.5), ("text", 1.0), ("flow", 0.25)):
        show(StageProgress(stage, 1, share))

    assert [(task.description, task.completed) for task in progress.tasks] == [("text", 1.0), ("flow", 0.25)]


def test_measurements_stay_until_there_are_new_ones(progress: Progress) -> None:
    """A report without measurements leaves the last ones on the screen."""
    show = StageBars(progress)
    show(StageProgress("flow", 1, 0.1, {"loss": 0.12345, "right": 0.5}))
    show(StageProgress("flow", 2, 0.2))

    assert progress.tasks[0].fields["facts"] == "loss 0.1235, right 0.5"


@pytest.mark.parametrize("option", ["--minutes=0", "--steps=0", "--seed=-1", "--threads=0"])
def test_impossible_options(option: str) -> None:
    """A training without time, steps or threads is refused before it begins."""
    assert CliRunner().invoke(command_line(), ["train", option]).exit_code == 2
