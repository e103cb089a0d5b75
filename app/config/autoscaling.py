"""Settings of scaling: objectives, bounds, schedules, forecast and budget, as one YAML file of their own.

They are no part of a Darkroom's configuration, because they are read again while it runs.
"""

import re
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo, available_timezones

import yaml
from cronsim import CronSim, CronSimError
from pydantic import (
    BeforeValidator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    model_validator,
)

from app.config.base import Settings
from app.config.loading import explained
from app.errors import ConfigurationError

_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


def _seconds(value: Any) -> Any:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", value) if isinstance(value, str) else None
    return float(match[1]) * _UNITS_S[match[2]] if match else value


Duration = Annotated[PositiveFloat, BeforeValidator(_seconds)]


class ObjectiveSettings(Settings):
    """What is promised to whoever waits."""

    latency_s: PositiveFloat = Field(default=20.0, description="A request is late after this; longer is much cheaper.")
    attainment: float = Field(
        default=0.99, gt=0.0, lt=1.0, description="Share of requests that must not be late; closer to 1 costs more."
    )


class DeploymentScaling(Settings):
    """Bounds and speed of one deployment."""

    min: NonNegativeInt = Field(default=1, description="Replicas kept; zero saves an idle GPU for a cold start.")
    max: PositiveInt = Field(default=24, description="Most replicas; beats every floor.")
    cold_start_s: PositiveFloat = Field(default=60.0, description="Usual time from order to first request.")
    node_start_s: NonNegativeFloat = Field(default=0.0, description="Time of a machine before a cold start begins.")
    idle_to_zero_s: PositiveFloat = Field(
        default=900.0, description="Longest time that an idle last replica is kept, where min is zero."
    )
    cold_start_penalty_s: NonNegativeFloat = Field(
        default=600.0, description="Idle seconds that it is worth to spare a caller a cold start; more keeps it longer."
    )
    single_s: PositiveFloat = Field(default=4.0, description="Time of one request alone, as measured.")
    max_batch: PositiveInt = Field(default=4, description="Requests that a replica serves at once.")
    gpus_each: PositiveFloat = Field(default=1.0, description="GPUs of one replica.")
    weight: PositiveFloat = Field(default=1.0, description="What its demand counts where GPUs are short.")
    gpu_cost_per_hour: PositiveFloat = Field(default=2.9, description="Price of a replica; what the budget counts.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min {self.min} is greater than max {self.max}")
        return self


class ScheduleSettings(Settings):
    """A window of time with a floor or a ceiling."""

    name: str = Field(description="How decisions call it.")
    deployment: str = Field(default="*", description="The deployment it bounds; * for all.")
    tz: str = Field(default="UTC", description="Time zone of cron and at, by its IANA name.")
    cron: str | None = Field(default=None, description="When it begins, again and again.")
    at: datetime | None = Field(default=None, description="When it begins, once; local time without an offset.")
    duration_s: Duration = Field(alias="for", description="How long it lasts, in elapsed time.")
    floor: PositiveInt | Annotated[str, Field(pattern=r"^\d+(\.\d+)?x$")] | None = Field(
        default=None, description="Replicas at least, ordered a cold start early; 2x: twice what the load asks for."
    )
    ceiling: NonNegativeInt | None = Field(default=None, description="Replicas at most; beats every floor.")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if (self.cron is None) == (self.at is None):
            raise ValueError(f"schedule {self.name}: exactly one of cron and at says when it begins")
        if self.floor is None and self.ceiling is None:
            raise ValueError(f"schedule {self.name}: neither floor nor ceiling, so it changes nothing")
        if self.at is not None and self.at.tzinfo is not None:
            raise ValueError(f"schedule {self.name}: at {self.at.isoformat()} has an offset; tz says where it is")
        if self.tz not in available_timezones():
            raise ValueError(f"schedule {self.name}: no time zone is called {self.tz!r}")
        self._check_cron(ZoneInfo(self.tz))
        if isinstance(self.floor, int) and self.ceiling is not None and self.floor > self.ceiling:
            raise ValueError(f"schedule {self.name}: floor {self.floor} is greater than ceiling {self.ceiling}")
        return self

    def _check_cron(self, zone: ZoneInfo) -> None:
        try:
            if self.cron is not None:
                CronSim(self.cron, datetime(2024, 1, 1, tzinfo=zone))
        except CronSimError as error:
            raise ValueError(f"schedule {self.name}: cron {self.cron!r}: {error}") from error


class ForecastScaling(Settings):
    """How far ahead is seen, and how far that is trusted."""

    mode: Literal["act", "observe"] = Field(default="act", description="observe: forecasts are shown and not used.")
    history_days: PositiveInt = Field(default=28, description="Days remembered; more than four weeks add little.")
    quantile: float = Field(default=0.7, gt=0.0, lt=1.0, description="Height of the upper curve; higher costs more.")
    min_history_s: Duration = Field(default=172_800.0, description="History below which no forecast is used.")
    max_age_s: PositiveFloat = Field(default=180.0, description="Age above which a forecast is not used.")


class BudgetScaling(Settings):
    """What a day may cost."""

    per_day: PositiveFloat = Field(description="Money for one deployment on one day of UTC.")
    currency: str = Field(default="EUR", description="What reports call the money.")
    on_exceed: Literal["warn", "cap"] = Field(default="cap", description="cap: fewer replicas; warn: only words.")


class ScalingSettings(Settings):
    """Everything about scaling."""

    slo: ObjectiveSettings = ObjectiveSettings()
    deployments: dict[str, DeploymentScaling] = Field(
        default={"model": DeploymentScaling()}, description="Bounds and speed by deployment."
    )
    schedules: tuple[ScheduleSettings, ...] = Field(default=(), description="Windows with floors and ceilings.")
    forecast: ForecastScaling = ForecastScaling()
    budget: BudgetScaling | None = Field(default=None, description="What a day may cost; absent: anything.")
    gpus: PositiveFloat | None = Field(default=None, description="GPUs that all share; absent: as many as wanted.")

    @model_validator(mode="after")
    def _schedules_name_known_deployments(self) -> Self:
        for schedule in self.schedules:
            if schedule.deployment not in ("*", *self.deployments):
                known = ", ".join(sorted(self.deployments))
                raise ValueError(f"schedule {schedule.name} bounds {schedule.deployment!r}; known deployments: {known}")
        return self

    @model_validator(mode="after")
    def _schedules_have_names_of_their_own(self) -> Self:
        names = [schedule.name for schedule in self.schedules]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"more than one schedule is called {', '.join(twice)}")
        return self


def load_scaling(path: Path) -> ScalingSettings:
    """Read the settings of scaling; raises ConfigurationError that names the file, the key and the reason."""
    try:
        return ScalingSettings.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")) or {})
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {explained(error)}") from error
