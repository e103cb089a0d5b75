"""Everything that is remembered of one deployment, as a value."""

from dataclasses import dataclass, field

from app.autoscaling.forecast.record import ForecastRecord
from app.autoscaling.history import MINUTE_S, CountHistory
from app.autoscaling.live.branch import Branch
from app.autoscaling.live.starts import Starts
from app.autoscaling.policy import PolicyState


@dataclass(frozen=True, slots=True)
class MinuteCount:
    """A minute under way: the counter at its begin, and whether all of it was seen."""

    minute: int = 0
    begin: int = 0
    is_whole: bool = False

    def went_on(
        self, now_s: float, arrived: int, *, is_fresh: bool, punctual_s: float
    ) -> tuple["MinuteCount", int | None]:
        """The minute of `now_s`, and the count of the one before if that ended within `punctual_s`, seen whole."""
        minute = int(now_s // MINUTE_S)
        is_sound = is_fresh and self.is_whole and arrived >= self.begin
        if minute == self.minute:
            return MinuteCount(minute, self.begin, is_sound), None
        is_punctual = now_s % MINUTE_S < punctual_s and is_fresh
        ended = arrived - self.begin if is_sound and is_punctual and minute == self.minute + 1 else None
        return MinuteCount(minute, arrived, is_punctual), ended


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Knowledge:
    """One deployment's policy, forecaster, current minute, share of the models' work and starts of replicas."""

    state: PolicyState | None = None
    record: ForecastRecord = field(default_factory=lambda: ForecastRecord(CountHistory.empty()))
    minute: MinuteCount = field(default_factory=MinuteCount)
    branch: Branch = field(default_factory=Branch)
    starts: Starts = field(default_factory=Starts)
