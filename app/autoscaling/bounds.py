"""What limits the demand at one moment: schedules and the budget, each of which may fail without harm."""

from app.autoscaling.budget import Spending, budget_term
from app.autoscaling.merge import Bounds
from app.autoscaling.profile import Profile
from app.autoscaling.schedule import open_windows
from app.autoscaling.terms import Term, attempted, guarded

Limits = tuple[tuple[Term, ...], tuple[Term, ...]]


def bounds_now(spending: Spending, now_s: float, profile: Profile, *, load: float) -> Bounds:
    """The bounds of now, when the load asks for `load` replicas; never raises, failures are in them."""
    nothing: Limits = ((), ())
    (floors, ceilings), unscheduled = attempted("schedule", lambda: _scheduled(now_s, profile, load), otherwise=nothing)
    budget = _budget(spending, now_s, profile)
    notes: tuple[str, ...] = ()
    if budget is not None and not budget.failed and profile.budget is not None:
        if profile.budget.on_exceed == "cap":
            ceilings = (*ceilings, budget)
        elif load > budget.replicas:
            notes = (f"budget would cap at {budget.replicas:.1f}: {budget.why}",)
    failed = tuple(term for term in (unscheduled, budget) if term is not None and term.failed)
    return Bounds(
        minimum=profile.min_replicas, maximum=profile.max_replicas, floors=floors, ceilings=ceilings, notes=notes,
        failures=failed,
    )  # fmt: skip


def _budget(spending: Spending, now_s: float, profile: Profile) -> Term | None:
    budget = profile.budget
    return None if budget is None else guarded("budget", lambda: budget_term(budget, spending, now_s))


def _scheduled(now_s: float, profile: Profile, load: float) -> Limits:
    windows = open_windows(profile.schedules, profile.name, now_s=now_s, early_s=profile.early_s)
    floors = [Term(f"schedule {each.name}", each.floor.replicas(load)) for each in windows if each.floor is not None]
    ceilings = [
        Term(f"schedule {each.name}", each.ceiling)
        for each in windows
        if each.ceiling is not None and each.is_open(now_s)
    ]
    return tuple(floors), tuple(ceilings)
