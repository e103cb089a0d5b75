"""Policies of the GPU benchmark on step times that are given, not measured."""

from collections import Counter

import pytest
from benchmarks.gpu.mixes import (
    Comparison,
    Mix,
    StepTimes,
    compare,
    denoise_s,
    exact_costs,
    fixed_limits,
    mixes,
    policy_limits,
    ways,
)
from benchmarks.gpu.scale import BATCHES

from app.inference.engine.costs import CostModel, Shape

# Seconds as arithmetic foresees them: a part that every step pays, and one for each picture.
LIKELY: StepTimes = {
    side: {batch: fixed_s + batch * each_s for batch in BATCHES}
    for side, fixed_s, each_s in ((512, 0.004, 0.023), (768, 0.004, 0.050), (1024, 0.004, 0.095))
}
# Whatever the batch, a step takes as long: the largest is best.
FREE: StepTimes = {side: dict.fromkeys(BATCHES, 0.1) for side in (512, 768, 1024)}
# Every picture costs its time, and company costs extra: none is best.
DEAR: StepTimes = {side: {batch: 0.1 * batch**1.2 for batch in BATCHES} for side in (512, 768, 1024)}


def test_jobs_are_mingled_by_their_shares() -> None:
    """Every stretch of a mix has about the shares of the whole."""
    sides = Mix(name="", shares={512: 0.8, 1024: 0.2}).sides(40)
    assert Counter(sides) == {512: 32, 1024: 8}
    assert all(Counter(sides[start : start + 5])[1024] == 1 for start in range(0, 40, 5))


def test_the_shares_of_every_mix_are_a_whole() -> None:
    """No mix forgets a picture."""
    assert all(sum(mix.shares.values()) == pytest.approx(1) for mix in mixes(512, 768, 1024))


@pytest.mark.parametrize(("batch", "seconds"), [(1, 2.0), (2, 1.0), (4, 0.6), (8, 0.4)])
def test_fixed_batches_are_full_but_for_the_last(batch: int, seconds: float) -> None:
    """Ten jobs of two steps make as many steps as full batches and a remainder need."""
    assert denoise_s([512] * 10, fixed_limits(batch), FREE, steps=2) == pytest.approx(seconds)


def test_pictures_of_different_sizes_share_no_step() -> None:
    """Two sizes of four pictures each take two batches, whatever fits."""
    assert denoise_s([512, 1024] * 4, fixed_limits(8), FREE, steps=3) == pytest.approx(0.6)


@pytest.mark.parametrize(("times", "best"), [(FREE, 8), (DEAR, 1)])
def test_the_policy_finds_the_best_batch(times: StepTimes, best: int) -> None:
    """With costs that are exact it draws what the best fixed batch draws."""
    compared = compare(Mix(name="", shares={512: 1.0}), exact_costs(times), times, count=48, steps=4)
    assert compared.best_batch == best
    assert compared.loss == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("mix", mixes(512, 768, 1024), ids=lambda mix: mix.name)
def test_the_policy_loses_little_on_likely_times(mix: Mix) -> None:
    """On no mix of sizes does a fixed batch draw over 3 % more, although it may batch what is best batched."""
    compared = compare(mix, exact_costs(LIKELY), LIKELY, count=120, steps=4)
    assert compared.loss <= 0.03
    assert compared.informed_loss == compared.loss


def test_a_misled_policy_is_found_out() -> None:
    """It loses by its own costs, and not by exact ones."""
    misled = CostModel()
    for batch in BATCHES:
        misled.observe_effort(Shape("step", 512, 512), batch, 0.1 * batch**2)
    compared = compare(Mix(name="", shares={512: 1.0}), misled, FREE, count=48, steps=4)
    assert compared.loss == pytest.approx(7 / 8)
    assert compared.informed_loss == pytest.approx(0, abs=1e-9)


def test_the_smaller_of_equal_batches_is_best() -> None:
    """It keeps each picture waiting for less."""
    equal = Comparison(mix=Mix(name="", shares={}), policy=1.0, informed=1.0, fixed=dict.fromkeys(BATCHES, 1.0))
    assert equal.best_batch == 1


def test_real_runs_start_from_costs_of_their_own() -> None:
    """The policy goes on learning, and what it was given stays as it was."""
    costs = exact_costs(FREE)
    compared = compare(Mix(name="", shares={512: 1.0}), costs, FREE, count=8, steps=1)
    policy, *fixed = ways(compared, costs)
    policy.costs.observe(Shape("step", 512, 512), 1, 99.0)
    assert costs.seconds(Shape("step", 512, 512), 1) == 0.1
    assert [(way.name, way.most) for way in fixed] == [("fixed 1", 1), ("fixed 8", 8)]
    assert denoise_s([512] * 8, policy_limits(fixed[-1].costs, 8), FREE, steps=1) == pytest.approx(0.1)
