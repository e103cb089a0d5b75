"""The terms of which demand is made, by name, so that each can fail by itself."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from app.autoscaling.forecast.outlook import Outlook, forecast_term
from app.autoscaling.load import load_term
from app.autoscaling.measure import ArrivalWindow
from app.autoscaling.observation import Observation
from app.autoscaling.profile import Profile
from app.autoscaling.queue_drain import queue_term
from app.autoscaling.setting import Setting
from app.autoscaling.terms import Term, guarded
from app.autoscaling.trend import trend_term


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Situation:
    """All that a term may look at."""

    arrivals: ArrivalWindow
    setting: Setting
    seen: Observation
    profile: Profile
    outlook: Outlook | None = None

    @property
    def throughput_per_s(self) -> float:
        """Requests per second of one replica."""
        return self.profile.curve.throughput_per_s(self.profile.objective_s)


TermPolicy = Callable[[Situation], Term]


def burst(situation: Situation) -> Term:
    """The load of ten minutes with room for its clumps."""
    return load_term(situation.arrivals, situation.setting, throughput_per_s=situation.throughput_per_s)


def trend(situation: Situation) -> Term:
    """The load of the last seconds, drawn out."""
    return trend_term(situation.arrivals, situation.setting, throughput_per_s=situation.throughput_per_s)


def forecast(situation: Situation) -> Term:
    """The load that is foreseen; where forecasts are only observed, what they would ask for is told and not asked."""
    profile = situation.profile
    term = forecast_term(
        situation.outlook, now_s=situation.seen.now_s, ahead_s=profile.early_s,
        max_age_s=profile.forecast_max_age_s, throughput_per_s=situation.throughput_per_s,
    )  # fmt: skip
    if profile.acts_on_forecast:
        return term
    return Term(term.name, 0.0, f"{term.replicas:.1f} observed, {term.why}")


def queue(situation: Situation) -> Term:
    """What waits already."""
    profile, seen = situation.profile, situation.seen
    return queue_term(
        queued=seen.queued, ready=seen.ready, throughput_per_s=situation.throughput_per_s,
        drain_s=profile.curve.drain_s(profile.objective_s),
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Policies:
    """The terms of which the largest counts, and the one that is added to it."""

    largest_of: Mapping[str, TermPolicy]
    queue: TermPolicy = queue

    def terms(self, situation: Situation) -> tuple[tuple[Term, ...], Term]:
        """Every term; never raises."""
        largest_of = tuple(guarded(name, partial(policy, situation)) for name, policy in self.largest_of.items())
        return largest_of, guarded("queue", partial(self.queue, situation))


POLICIES = Policies(largest_of={"burst": burst, "trend": trend, "forecast": forecast})
