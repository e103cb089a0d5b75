"""Which jobs take the next step, and how many."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.generation import BatchKey
from app.inference.engine.selection import Candidate, Limits, choose

SMALL, LARGE = BatchKey("v", 64, 64), BatchKey("v", 128, 128)
PAYS = {1: 1.0, 2: 1.2, 3: 1.4, 4: 1.6}
PAYS_NOTHING = {1: 1.0, 2: 1.98, 3: 2.97, 4: 3.96}


def candidate(number: int, *, deadline_s: float = 1000.0, key: BatchKey = SMALL, steps_left: int = 4) -> Candidate:
    """A job; among equal deadlines the lower number came first."""
    return Candidate(key=key, urgency=(deadline_s, float(number), ""), deadline_s=deadline_s, steps_left=steps_left)


def limits(
    seconds: dict[int, float] | None = None,
    *,
    most: int = 4,
    sizes: tuple[int, ...] = (1, 2, 3, 4),
    stale: tuple[int, ...] = (),
) -> Limits:
    """Limits over a table of step times by batch size."""
    table: dict[int, float] = PAYS if seconds is None else seconds
    return Limits(
        step_s=lambda _, size: table.get(size),
        effort_s=lambda _, size: table.get(size),
        most=lambda _: most,
        sizes=lambda _: sizes,
        is_stale=lambda _, size: size in stale,
    )


def test_nothing_is_chosen_from_nothing() -> None:
    """Without candidates there is no step."""
    assert choose([], limits(), now_s=0.0) == ()


def test_the_most_urgent_job_leads() -> None:
    """Its shape decides, and only its like join it, the most urgent first."""
    jobs = [
        candidate(0, deadline_s=30.0), candidate(1, deadline_s=10.0, key=LARGE),
        candidate(2, deadline_s=20.0), candidate(3, deadline_s=15.0, key=LARGE),
    ]  # fmt: skip
    assert choose(jobs, limits(), now_s=0.0) == (1, 3)


def test_a_batch_is_as_large_as_pays() -> None:
    """Where more pictures cost little more time, all go together."""
    assert choose([candidate(n) for n in range(4)], limits(PAYS), now_s=0.0) == (0, 1, 2, 3)


def test_a_batch_that_saves_nothing_is_not_formed() -> None:
    """Where two together take as long as one after the other, the most urgent goes alone and ends sooner."""
    assert choose([candidate(n) for n in range(4)], limits(PAYS_NOTHING), now_s=0.0) == (0,)


def test_among_near_equals_the_best_is_formed_unless_that_doubles_the_batch() -> None:
    """Three are within 3 % of the best; four are better still, and not twice as many: four go."""
    jobs = [candidate(n) for n in range(4)]
    assert choose(jobs, limits({1: 1.0, 2: 1.9, 3: 2.5, 4: 3.28}), now_s=0.0) == (0, 1, 2, 3)
    assert choose(jobs, limits({1: 1.0, 2: 1.99, 3: 2.96, 4: 3.92}), now_s=0.0) == (0,)


def test_a_deadline_can_make_a_batch_smaller() -> None:
    """The most urgent job meets its deadline where a smaller batch lets it: four steps of 1.2 s, not of 1.6 s."""
    jobs = [candidate(0, deadline_s=5.0), *(candidate(n) for n in range(1, 4))]
    assert choose(jobs, limits(PAYS), now_s=0.0) == (0, 1)


def test_batches_are_compared_by_effort_and_deadlines_by_time() -> None:
    """Four that were slow because of what else ran on the machine still go where the deadline lets them."""
    jobs = [candidate(n, deadline_s=100.0) for n in range(4)]
    disturbed = replace(limits(PAYS), step_s=lambda _, size: {1: 1.0, 2: 1.2, 3: 1.4, 4: 9.0}[size])
    assert choose(jobs, disturbed, now_s=0.0) == (0, 1, 2, 3)
    assert choose(jobs, disturbed, now_s=90.0) == (0, 1, 2)


def test_a_deadline_that_is_lost_anyway_does_not_slow_the_others() -> None:
    """When no batch is small enough, the one that pays is formed."""
    jobs = [candidate(0, deadline_s=1.0), *(candidate(n) for n in range(1, 4))]
    assert choose(jobs, limits(PAYS), now_s=0.0) == (0, 1, 2, 3)


def test_memory_bounds_a_batch() -> None:
    """No more are chosen than fit, and one is always tried."""
    jobs = [candidate(n) for n in range(4)]
    assert choose(jobs, limits(most=2), now_s=0.0) == (0, 1)
    assert choose(jobs, limits(most=0), now_s=0.0) == (0,)


def test_only_offered_sizes_are_formed() -> None:
    """A compiled variant has buckets: of three jobs two go, since there is no batch of three."""
    assert choose([candidate(n) for n in range(3)], limits(PAYS, sizes=(1, 2, 4)), now_s=0.0) == (0, 1)


def test_what_is_not_known_is_tried() -> None:
    """Before a size was ever measured the batch is as large as it can be."""
    assert choose([candidate(n) for n in range(4)], limits({1: 1.0}), now_s=0.0) == (0, 1, 2, 3)


def test_what_was_not_measured_lately_is_tried_again() -> None:
    """The largest batch that could be formed is, now and then, lest one bad measurement keep it from ever being."""
    jobs = [candidate(n) for n in range(4)]
    assert choose(jobs, limits(PAYS_NOTHING, stale=(4,)), now_s=0.0) == (0, 1, 2, 3)
    assert choose(jobs, limits(PAYS_NOTHING, stale=(3,)), now_s=0.0) == (0,)


@given(
    jobs=st.lists(st.tuples(st.integers(0, 50), st.sampled_from([SMALL, LARGE]), st.integers(1, 8)), min_size=1),
    seconds=st.lists(st.floats(0.01, 10.0), min_size=4, max_size=4),
    most=st.integers(0, 6),
    now_s=st.integers(0, 60),
)
def test_any_choice_is_led_by_the_most_urgent(jobs: list[Any], seconds: list[float], most: int, now_s: int) -> None:
    """It is of one shape, within the limits, in order of urgency, skips none of its like, and wastes at most 3 %."""
    candidates = [
        candidate(number, deadline_s=float(deadline_s), key=key, steps_left=steps)
        for number, (deadline_s, key, steps) in enumerate(jobs)
    ]
    table = dict(enumerate(seconds, start=1))
    chosen = [candidates[place] for place in choose(candidates, limits(table, most=most), now_s=float(now_s))]
    ordered = sorted(candidates, key=lambda each: each.urgency)
    alike = [each for each in ordered if each.key == ordered[0].key]
    assert chosen == alike[: len(chosen)]
    assert 1 <= len(chosen) <= max(1, min(most, 4))


@pytest.mark.parametrize("fixed", [1, 2, 3, 4])
@given(seconds=st.lists(st.floats(0.1, 10.0), min_size=4, max_size=4))
def test_no_fixed_batch_is_more_than_three_percent_better(fixed: int, seconds: list[float]) -> None:
    """Time per picture of the chosen size is within 3 % of every fixed size's, whatever steps take."""
    table = dict(enumerate(seconds, start=1))
    size = len(choose([candidate(n, deadline_s=1e9) for n in range(4)], limits(table), now_s=0.0))
    assert table[size] / size <= 1.03 * table[fixed] / fixed * (1 + 1e-9)
