"""Which jobs take the next denoising step."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from app.generation import BatchKey

TOLERANCE = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A job that could take a step now; `deadline_s` in epoch seconds."""

    key: BatchKey
    urgency: tuple[float, float, str]
    deadline_s: float
    steps_left: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What bounds a batch: `step_s` predicts a step's seconds, `most` is the largest batch that fits in memory.

    `effort_s` is what the step would take if nothing else ran on the machine. `sizes` are the
    batch sizes that may be formed, in rising order, one among them; `is_stale` says that the
    time of a size was not measured lately.
    """

    step_s: Callable[[BatchKey, int], float | None]
    effort_s: Callable[[BatchKey, int], float | None]
    most: Callable[[BatchKey], int]
    sizes: Callable[[BatchKey], Sequence[int]]
    is_stale: Callable[[BatchKey, int], bool]


def choose(candidates: Sequence[Candidate], limits: Limits, *, now_s: float) -> tuple[int, ...]:
    """Places in `candidates`: the most urgent job and as many of its like as are worth their time, in order."""
    order = sorted(range(len(candidates)), key=lambda place: candidates[place].urgency)
    if not order:
        return ()
    leader = candidates[order[0]]
    alike = [place for place in order if candidates[place].key == leader.key]
    return tuple(alike[: batch_size(leader, min(len(alike), limits.most(leader.key)), limits, now_s=now_s)])


def batch_size(leader: Candidate, available: int, limits: Limits, *, now_s: float) -> int:
    """How many pictures to step together when so many could be.

    Of the sizes from the fewest whose effort per picture is within 3 % of the best to less than
    twice as many, the one that takes least per picture; no more than lets the most urgent one
    meet its deadline, where any size does; the most when their effort is not known.
    """
    key, left_s = leader.key, leader.deadline_s - now_s
    sizes = [size for size in limits.sizes(key) if size <= available] or [1]
    efforts = {size: effort_s for size in sizes if (effort_s := limits.effort_s(key, size)) is not None}
    if sizes[-1] not in efforts or limits.is_stale(key, sizes[-1]):
        return sizes[-1]
    in_time = [size for size in efforts if leader.steps_left * (limits.step_s(key, size) or 0.0) <= left_s]
    each_s = {size: efforts[size] / size for size in in_time or efforts}
    fewest = min(size for size in each_s if each_s[size] <= min(each_s.values()) * (1 + TOLERANCE))
    return min((size for size in each_s if fewest <= size < 2 * fewest), key=each_s.__getitem__)
