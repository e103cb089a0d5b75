"""What schedules ask for in the time to come, for whoever must act before it or without us."""

from collections.abc import Iterator, Sequence
from itertools import groupby

from app.autoscaling.live.plan import FloorAhead
from app.autoscaling.profile import Profile
from app.autoscaling.schedule import open_windows

HORIZON_S = 3600.0
STEP_S = 15.0


def floor_at(profile: Profile, at_s: float, *, early_s: float) -> int:
    """The highest fixed floor at a time, within the ceilings that bound it; zero when there is none.

    A floor that is a multiple of the load says nothing about a time whose load is not known.
    """
    windows = open_windows(profile.schedules, profile.name, now_s=at_s, early_s=early_s)
    floor = max((each.floor.replicas(0.0) for each in windows if each.floor is not None), default=0.0)
    ceiling = min((each.ceiling for each in windows if each.ceiling is not None), default=profile.max_replicas)
    return min(-int(-floor // 1), ceiling, profile.max_replicas)


def floors_ahead(profile: Profile, now_s: float, *, pace: float = 1.0) -> tuple[FloorAhead, ...]:
    """The floors of the next hour, a start of a replica early; their times are what clocks show at that pace."""
    times_s = [now_s + step * STEP_S for step in range(int(HORIZON_S / STEP_S))]
    return tuple(_runs(profile, times_s, pace=pace))


def _runs(profile: Profile, times_s: Sequence[float], *, pace: float) -> Iterator[FloorAhead]:
    floors = [(at_s, floor_at(profile, at_s, early_s=profile.early_s)) for at_s in times_s]
    for floor, run in groupby(floors, key=lambda pair: pair[1]):
        inside = [at_s for at_s, _ in run]
        if floor:
            yield FloorAhead(inside[0] / pace, (inside[-1] + STEP_S) / pace, floor)
