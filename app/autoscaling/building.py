"""Profiles from settings: the only place of scaling that reads them."""

from app.autoscaling.budget import Budget
from app.autoscaling.curve import BatchCurve
from app.autoscaling.forecast.ensemble import MedianEnsemble
from app.autoscaling.forecast.record import ForecastSettings
from app.autoscaling.history import MINUTE_S
from app.autoscaling.profile import Profile
from app.autoscaling.schedule import Bound, Schedule
from app.config.autoscaling import BudgetScaling, ScalingSettings, ScheduleSettings

# A setting may use this part of what may be late in its rehearsal; the rest is for what the rehearsal leaves out.
REHEARSED_PART = 0.8
SLOWEST_START = 1.25


def build_profile(name: str, settings: ScalingSettings) -> Profile:
    """The profile of one deployment; raises ConfigurationError for a schedule that can never begin."""
    own, budget, forecast = settings.deployments[name], settings.budget, settings.forecast
    return Profile(
        name=name, curve=BatchCurve(single_s=own.single_s, max_batch=own.max_batch),
        objective_s=settings.slo.latency_s, late_share=REHEARSED_PART * (1 - settings.slo.attainment),
        cold_start_s=own.cold_start_s, slowest_start_s=SLOWEST_START * own.cold_start_s,
        node_start_s=own.node_start_s, min_replicas=own.min, max_replicas=own.max,
        idle_to_zero_s=own.idle_to_zero_s, cold_start_penalty_s=own.cold_start_penalty_s,
        gpus_each=own.gpus_each, weight=own.weight, forecast_max_age_s=forecast.max_age_s,
        acts_on_forecast=forecast.mode == "act",
        schedules=tuple(build_schedule(each) for each in settings.schedules),
        budget=None if budget is None else build_budget(budget, replica_per_hour=own.gpu_cost_per_hour),
    )  # fmt: skip


def build_budget(settings: BudgetScaling, *, replica_per_hour: float) -> Budget:
    """What a deployment may cost, whose replicas cost that much."""
    return Budget(
        per_day=settings.per_day, replica_per_hour=replica_per_hour, currency=settings.currency,
        on_exceed=settings.on_exceed,
    )  # fmt: skip


def build_schedule(settings: ScheduleSettings) -> Schedule:
    """One schedule; raises ConfigurationError when it can never begin."""
    return Schedule(
        name=settings.name, deployment=settings.deployment, timezone=settings.tz, duration_s=settings.duration_s,
        cron=settings.cron, at=settings.at, floor=_floor(settings.floor), ceiling=settings.ceiling,
    )  # fmt: skip


def build_forecast(settings: ScalingSettings) -> ForecastSettings:
    """The median ensemble with the quantile and history that are set."""
    forecast = settings.forecast
    return ForecastSettings(
        forecaster=MedianEnsemble(), quantile=forecast.quantile, keep_days=forecast.history_days,
        min_history_minutes=round(forecast.min_history_s / MINUTE_S),
    )  # fmt: skip


def _floor(floor: int | str | None) -> Bound | None:
    if floor is None:
        return None
    return Bound(amount=float(floor[:-1]), unit="times the load") if isinstance(floor, str) else Bound(amount=floor)
