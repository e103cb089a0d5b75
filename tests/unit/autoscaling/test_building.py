"""From settings to profiles."""

from pathlib import Path

import pytest

from app.autoscaling.building import build_forecast, build_profile
from app.autoscaling.schedule import Bound
from app.config.autoscaling import ScalingSettings, load_scaling

OFFICE = """\
slo: {latency_s: 30, attainment: 0.95}
deployments:
  sdxl: {min: 1, max: 32, single_s: 6, max_batch: 8, gpu_cost_per_hour: 2.5, gpus_each: 2, cold_start_penalty_s: 60}
schedules:
  - {name: office, deployment: sdxl, tz: Europe/Berlin, cron: "30 7 * * MON-FRI", for: 11h, floor: 6}
  - {name: launch, tz: America/New_York, at: "2026-12-03T09:00", for: 90m, floor: 2x}
  - {name: night, deployment: sdxl, cron: "0 23 * * *", for: 7h, ceiling: 2}
forecast: {mode: observe, history_days: 7, quantile: 0.85, min_history_s: 3d}
budget: {per_day: 400}
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of settings."""
    file = tmp_path / "scaling.yaml"
    file.write_text(OFFICE, encoding="utf-8")
    return file


def test_everything_that_is_set_arrives(path: Path) -> None:
    """A profile has the objective, bounds, speeds, schedules and budget of its deployment."""
    profile = build_profile("sdxl", load_scaling(path))

    assert (profile.objective_s, profile.max_replicas, profile.gpus_each) == (30.0, 32, 2.0)
    assert (profile.curve.single_s, profile.curve.max_batch) == (6.0, 8)
    assert (profile.acts_on_forecast, profile.cold_start_penalty_s) == (False, 60.0)
    assert (profile.budget.per_day, profile.budget.replica_per_hour) == (400.0, 2.5)
    assert [each.floor for each in profile.schedules] == [Bound(amount=6), Bound(amount=2, unit="times the load"), None]
    assert [each.duration_s for each in profile.schedules] == [11 * 3600, 90 * 60, 7 * 3600]


def test_a_part_of_what_may_be_late_is_kept_back(path: Path) -> None:
    """Settings are rehearsed against four fifths of the share that may be late."""
    assert build_profile("sdxl", load_scaling(path)).late_share == pytest.approx(0.04)


def test_the_forecast_is_as_set(path: Path) -> None:
    """Quantile, days of history and its least length are those of the settings."""
    forecast = build_forecast(load_scaling(path))

    assert (forecast.quantile, forecast.keep_days, forecast.min_history_minutes) == (0.85, 7, 3 * 1440)


def test_defaults_are_whole() -> None:
    """Settings of which nothing is set make a profile."""
    assert build_profile("model", ScalingSettings()).max_replicas == 24
