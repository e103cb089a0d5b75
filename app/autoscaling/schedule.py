"""Schedules: windows of time with a floor or a ceiling, in the time zone of those who wrote them."""

import math
from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Literal
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from app.errors import ConfigurationError

EVERY_DEPLOYMENT = "*"
_HOUR_S = 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """A number of replicas, or a multiple of what the measured load asks for."""

    amount: float
    unit: Literal["replicas", "times the load"] = "replicas"

    def replicas(self, load: float) -> float:
        """The bound in replicas, when the load asks for `load` of them."""
        return self.amount if self.unit == "replicas" else self.amount * load


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """A window that begins by a cron expression, or once at a local time, and lasts `duration_s` of elapsed time.

    A cron time that a clock change skips begins with the first minute after it, and one that happens twice begins at
    the first. Raises ConfigurationError for what cannot be read or never happens.
    """

    name: str
    deployment: str
    timezone: str
    duration_s: float
    cron: str | None = None
    at: datetime | None = None
    floor: Bound | None = None
    ceiling: int | None = None

    def __post_init__(self) -> None:
        if (self.cron is None) == (self.at is None):
            raise ConfigurationError(f"schedule {self.name}: exactly one of cron and at says when it begins")
        try:
            _check_start(self.cron, self.at, ZoneInfo(self.timezone))
        except (CronSimError, KeyError, ValueError) as error:
            raise ConfigurationError(f"schedule {self.name}: {str(error).strip(chr(34) + chr(39))}") from error

    def is_open(self, now_s: float, *, early_s: float = 0.0) -> bool:
        """Whether the window is open at an epoch second, when it opens `early_s` before its time."""
        start_s = last_start_s(self, by_s=now_s + early_s)
        return start_s is not None and now_s < start_s + self.duration_s

    def concerns(self, deployment: str) -> bool:
        """Whether the schedule bounds that deployment."""
        return self.deployment in (EVERY_DEPLOYMENT, deployment)


def last_start_s(schedule: Schedule, *, by_s: float) -> float | None:
    """The epoch second at which the latest window by `by_s` begins; None when none has begun by then."""
    if schedule.at is not None:
        start_s = schedule.at.replace(tzinfo=ZoneInfo(schedule.timezone)).timestamp()
        return start_s if start_s <= by_s else None
    starts = _starts(schedule.cron or "", schedule.timezone, math.floor(by_s / _HOUR_S))
    reached = bisect_right(starts, by_s)
    return starts[reached - 1] if reached else None


def open_windows(
    schedules: Iterable[Schedule], deployment: str, *, now_s: float, early_s: float
) -> tuple[Schedule, ...]:
    """The schedules that bound a deployment now: floors from `early_s` before their time, ceilings on time."""
    return tuple(
        each
        for each in schedules
        if each.concerns(deployment) and each.is_open(now_s, early_s=early_s if each.floor is not None else 0.0)
    )


@lru_cache(maxsize=4096)
def _starts(cron: str, timezone: str, hour: int) -> tuple[float, ...]:
    """The starts within one hour since the epoch, after the last start before it."""
    zone = ZoneInfo(timezone)
    begin_s = hour * _HOUR_S
    before = next(CronSim(cron, datetime.fromtimestamp(begin_s, zone), reverse=True), None)
    starts = [] if before is None else [before.timestamp()]
    for start in CronSim(cron, datetime.fromtimestamp(begin_s - 1, zone)):
        if start.timestamp() >= begin_s + _HOUR_S:
            break
        if start.timestamp() >= begin_s:
            starts.append(start.timestamp())
    return tuple(starts)


def _check_start(cron: str | None, at: datetime | None, zone: ZoneInfo) -> None:
    if cron is not None:
        CronSim(cron, datetime(2024, 1, 1, tzinfo=zone))
    elif at is not None:
        shown = datetime.fromtimestamp(at.replace(tzinfo=zone).timestamp(), zone).replace(tzinfo=None)
        if shown != at:
            raise ValueError(f"{at} is skipped by the clock change in {zone.key}")
