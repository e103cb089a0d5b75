"""The whole policy of one deployment: a pure function of what is seen, what is known and what was remembered."""

from dataclasses import dataclass, replace
from typing import Self

from app.autoscaling.bounds import bounds_now
from app.autoscaling.budget import Spending
from app.autoscaling.demand import POLICIES, Policies, Situation
from app.autoscaling.explain import Decision
from app.autoscaling.forecast.outlook import Outlook
from app.autoscaling.hold import SILENCE_S, RecentPeaks, Silences
from app.autoscaling.idle import idle_to_zero_s
from app.autoscaling.measure import ArrivalWindow
from app.autoscaling.merge import demand, merge
from app.autoscaling.observation import Observation
from app.autoscaling.profile import Profile
from app.autoscaling.setting import Setting
from app.autoscaling.terms import Term, attempted
from app.autoscaling.tuning import Tuner

# Part of a replica that a forecast must ask for to keep the last one.
_WORTH_WAITING_FOR = 0.5


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class PolicyState:
    """Everything that one decision leaves to the next."""

    arrivals: ArrivalWindow
    silences: Silences
    peaks: RecentPeaks
    tuner: Tuner
    spending: Spending

    @classmethod
    def starting(cls, seen: Observation, profile: Profile, *, tuner: Tuner | None = None) -> Self:
        """Nothing remembered; a `tuner` that has rehearsed the history knows the load already."""
        return cls(
            arrivals=ArrivalWindow.starting(seen.now_s, seen.arrived), silences=Silences(seen.now_s),
            peaks=RecentPeaks(), tuner=tuner or Tuner.starting(profile.fluid), spending=Spending(),
        )  # fmt: skip


def decide(
    state: PolicyState,
    seen: Observation,
    profile: Profile,
    *,
    outlook: Outlook | None = None,
    policies: Policies = POLICIES,
) -> tuple[PolicyState, Decision]:
    """What to do now, and what to remember; never raises.

    On stale numbers the target is held, and only a floor moves it. When a term fails the target is not lowered, and
    the terms that are left may raise it; when anything else does, it stays. Either way the decision says what failed.
    """
    decided, failure = attempted("policy", lambda: _decided(state, seen, profile, outlook, policies), otherwise=None)
    if decided is None or failure is not None:
        return state, _standing(seen, profile, why=failure.why if failure else "")
    return decided


def hold_s(setting: Setting, silences: Silences) -> int:
    """For how long a peak is remembered."""
    return silences.hold_s if setting.hold_s is None else setting.hold_s


def _decided(
    state: PolicyState,
    seen: Observation,
    profile: Profile,
    outlook: Outlook | None,
    policies: Policies,
) -> tuple[PolicyState, Decision]:
    state = replace(state, spending=state.spending.went_on(seen.now_s, seen.target))
    if seen.age_s > profile.stale_after_s:
        return state, _held_blindly(state, seen, profile)
    state, unlearned = attempted("learning", lambda: _learned(state, seen, profile), otherwise=state)
    situation = Situation(
        arrivals=state.arrivals, setting=_setting(state, profile), seen=seen, profile=profile, outlook=outlook
    )
    terms, queue = policies.terms(situation)
    state = replace(state, peaks=state.peaks.wanted(seen.now_s, demand(terms, (queue,))))
    foreseen = sum(term.replicas for term in terms if term.name == "forecast")
    held, load = _held(state, seen, profile, foreseen=foreseen), max(term.replicas for term in terms)
    bounds = bounds_now(state.spending, seen.now_s, profile, load=load)
    failures = tuple(term for term in (unlearned, *bounds.failures) if term is not None)
    wanted = merge(round(held.replicas), bounds)
    if failures or queue.failed or any(term.failed for term in terms):
        wanted = min(max(wanted, seen.target), profile.max_replicas)
    decision = Decision(
        deployment=profile.name, before=seen.target, replicas=wanted, demand=terms, queue=queue, held=held,
        floors=tuple(bounds.floors), ceilings=tuple(bounds.ceilings), notes=tuple(bounds.notes), failures=failures,
        maximum=profile.max_replicas,
    )  # fmt: skip
    return state, decision


def _learned(state: PolicyState, seen: Observation, profile: Profile) -> PolicyState:
    arrivals = state.arrivals.advanced(seen.now_s, seen.arrived)
    if arrivals is state.arrivals:
        return state
    silences = state.silences.heard(seen.now_s) if arrivals.added else state.silences
    if profile.setting is not None:
        return replace(state, arrivals=arrivals, silences=silences)
    tuner = state.tuner.stepped(arrivals, profile.fluid, learned_hold_s=silences.hold_s)
    return replace(state, arrivals=arrivals, silences=silences, tuner=tuner)


def _setting(state: PolicyState, profile: Profile) -> Setting:
    return profile.setting or state.tuner.choice


def _held(state: PolicyState, seen: Observation, profile: Profile, *, foreseen: float) -> Term:
    """The recent peak; the last replica stays for a time of its own, whatever the mean of ten minutes remembers."""
    remembered_s = hold_s(_setting(state, profile), state.silences)
    highest = state.peaks.highest(seen.now_s - remembered_s)
    if highest > 1 or seen.queued or seen.running or foreseen >= _WORTH_WAITING_FOR:
        return Term("hold", float(highest), f"peak of {remembered_s} s")
    idle_s = seen.now_s - state.silences.last_arrival_s
    learned_s = idle_to_zero_s(
        state.silences.lengths_s, penalty_s=profile.cold_start_penalty_s, longest_s=profile.idle_to_zero_s
    )
    limit_s = max(learned_s, SILENCE_S)
    is_kept = idle_s < limit_s and max(highest, seen.target) > 0
    return Term("hold", float(is_kept), f"last arrival {idle_s:.0f} s ago, {limit_s:.0f} s to zero")


def _held_blindly(state: PolicyState, seen: Observation, profile: Profile) -> Decision:
    bounds = bounds_now(state.spending, seen.now_s, profile, load=0.0)
    return replace(
        _standing(seen, profile, why=f"numbers are {seen.age_s:.0f} s old"),
        replicas=max(seen.target, merge(seen.target, bounds)),
        floors=tuple(bounds.floors),
        failures=tuple(bounds.failures),
    )


def _standing(seen: Observation, profile: Profile, *, why: str) -> Decision:
    """The decision to leave everything as it is."""
    return Decision(
        deployment=profile.name, before=seen.target, replicas=seen.target, demand=(), queue=Term("queue", 0.0),
        held=Term("hold", float(seen.target)), maximum=profile.max_replicas, stale=why,
    )  # fmt: skip
