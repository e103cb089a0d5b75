"""The settings of scaling, and the file of them that we ship."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from app.config.autoscaling import ScalingSettings, load_scaling
from app.errors import ConfigurationError

SCHEDULES = Path(__file__).parents[2] / "configs" / "schedules"
WINDOW = {"name": "office", "cron": "0 8 * * *", "for": "2h", "floor": 2}


def settings(**schedule: object) -> ScalingSettings:
    """Settings with one schedule."""
    window = {key: value for key, value in {**WINDOW, **schedule}.items() if value is not None}
    return ScalingSettings.model_validate({"schedules": [window]})


@pytest.mark.parametrize("path", sorted(SCHEDULES.glob("*.yaml")), ids=lambda path: path.name)
def test_shipped_settings(path: Path) -> None:
    """Every file of schedules that we ship can be used as it is."""
    assert load_scaling(path).schedules


def test_there_is_an_example() -> None:
    """At least one such file is shipped."""
    assert list(SCHEDULES.glob("*.yaml"))


def test_nothing_has_to_be_set() -> None:
    """An empty file is one deployment with its defaults."""
    assert list(ScalingSettings().deployments) == ["model"]


@pytest.mark.parametrize(("written", "seconds"), [("90s", 90), ("1.5h", 5400), ("2d", 172_800), ("15m", 900), (30, 30)])
def test_durations(written: object, seconds: float) -> None:
    """A length is a number of seconds, or one with a unit."""
    assert settings(**{"for": written}).schedules[0].duration_s == seconds


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"cron": None}, "exactly one of cron and at"),
        ({"at": "2026-12-03T09:00"}, "exactly one of cron and at"),
        ({"floor": None}, "neither floor nor ceiling"),
        ({"cron": None, "at": "2026-12-03T09:00+01:00"}, "has an offset; tz says where it is"),
        ({"tz": "Europe/Bonn"}, "no time zone is called 'Europe/Bonn'"),
        ({"cron": "99 8 * * *"}, "schedule office: cron '99 8 . . .': Bad minute"),
        ({"floor": 4, "ceiling": 2}, "floor 4 is greater than ceiling 2"),
        ({"for": "soon"}, "schedules.0.for"),
        ({"for": "0h"}, "greater than 0"),
        ({"floor": "twice"}, "should match pattern"),
        ({"deployment": "sdxl"}, "schedule office bounds 'sdxl'; known deployments: model"),
    ],
    ids=[
        "no begin",
        "two begins",
        "no effect",
        "offset",
        "zone",
        "cron",
        "contradiction",
        "length",
        "no length",
        "floor",
        "who",
    ],
)
def test_mistakes_in_schedules(changes: dict[str, object], complaint: str) -> None:
    """A schedule that cannot work is refused with its name or key and the reason."""
    with pytest.raises(ValidationError, match=complaint):
        settings(**changes)


def test_names_are_told_apart() -> None:
    """Two schedules of one name could not be told apart in a decision."""
    with pytest.raises(ValidationError, match="more than one schedule is called office"):
        ScalingSettings.model_validate({"schedules": [WINDOW, WINDOW]})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("deployments: {sdxl: {min: 3, max: 2}}", "deployments.sdxl: Value error, min 3 is greater than max 2"),
        ("slo: {attainment: 1}", "slo.attainment: Input should be less than 1"),
        ("forecast: {mode: guess}", "forecast.mode: Input should be 'act' or 'observe'"),
        ("budget: {per_day: 0}", "budget.per_day: Input should be greater than 0"),
        ("gpu: 4", "gpu: Extra inputs are not permitted"),
        ("schedules: {", "not valid YAML"),
    ],
    ids=["bounds", "attainment", "mode", "budget", "misspelt", "no YAML"],
)
def test_mistakes_in_a_file(tmp_path: Path, text: str, complaint: str) -> None:
    """A file with a mistake is refused with its path, the key and the reason."""
    path = tmp_path / "scaling.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError) as raised:
        load_scaling(path)

    assert raised.value.detail.startswith(f"{path}: ")
    assert complaint in raised.value.detail


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """A missing file is named."""
    with pytest.raises(ConfigurationError, match=r"absent.yaml: No such file"):
        load_scaling(tmp_path / "absent.yaml")
