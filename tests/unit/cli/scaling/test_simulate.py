"""`darkroom scaling simulate` and `what-if`, as a user runs them."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.main import command_line
from app.errors import ConfigurationError

SETTINGS = """\
deployments: {sdxl: {min: 1, max: 12, gpu_cost_per_hour: 2}}
schedules: [{name: morning, cron: "30 0 * * *", for: 30m, floor: 4}]
budget: {per_day: 400, currency: USD}
"""


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    """An hour and a half of a request a second or less, as counts per minute."""
    path = tmp_path / "load.csv"
    rows = [f"{60 * minute},{20 + 40 * (minute // 30)}" for minute in range(90)]
    path.write_text("second,count\n" + "\n".join(rows), encoding="utf-8")
    return path


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    """Settings with a floor for half an hour."""
    path = tmp_path / "scaling.yaml"
    path.write_text(SETTINGS, encoding="utf-8")
    return path


def run(*arguments: object) -> Result:
    """The command's result; what it raises goes through."""
    return CliRunner().invoke(
        command_line(), ["scaling", *map(str, arguments)], catch_exceptions=False, env={"COLUMNS": "160"}
    )


def test_a_load_is_simulated(trace: Path, tmp_path: Path) -> None:
    """A table says what a load costs under the policy, the last decisions say why, and a picture shows it."""
    picture = tmp_path / "load.png"
    result = run("simulate", trace, "--plot", picture)

    assert "as it is set" in result.output
    assert "cap none → " in result.output
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_hindsight_on_request(trace: Path, settings: Path, tmp_path: Path) -> None:
    """With --oracle the best plan and the smallest fixed number stand beside the policy, in the settings' money."""
    result = run("simulate", trace, "--config", settings, "--oracle", "--plot", tmp_path / "load.png")

    assert "best plan in hindsight" in result.output
    assert "fixed number" in result.output
    assert "USD" in result.output


def test_a_schedule_is_tried(trace: Path, settings: Path, tmp_path: Path) -> None:
    """A schedule's cost stands beside what the same load costs without it."""
    picture = tmp_path / "plan.png"
    result = run("what-if", settings, "--trace", trace, "--plot", picture)

    assert "without schedules" in result.output
    assert "with schedules" in result.output
    assert picture.exists()


def test_the_first_days_can_be_history(trace: Path, tmp_path: Path) -> None:
    """Days at the begin of a trace are learned from and not simulated."""
    result = run("simulate", trace, "--history-days", 1 / 24, "--plot", tmp_path / "load.png")

    assert "as it is set" in result.output


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--deployment", "flux"), "no deployment 'flux'; known: model"),
        (("--history-days", 2), "2 days of history leave nothing of a trace of 0.0625 days"),
        (("--config", "absent.yaml"), "absent.yaml: No such file"),
    ],
    ids=["deployment", "history", "settings"],
)
def test_what_cannot_be_simulated_is_said(trace: Path, arguments: tuple[object, ...], complaint: str) -> None:
    """A deployment, history or file that there is not is named."""
    with pytest.raises(ConfigurationError) as raised:
        run("simulate", trace, *arguments)

    assert complaint in raised.value.detail
