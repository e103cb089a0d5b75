"""Beginning late: only as late as was measured to be harmless, only on one's own, and within the bytes."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from app.cache.trajectories import Losses, ResumeRule, Trajectory, TrajectoryShelf, Tried

RULE = ResumeRule(floors=(0.5, 0.9), shares=(0.25, 0.5, 0.75))
HARMLESS = Tried(tries=100)
NEAR_HALF = Losses({(1, 0): HARMLESS, (1, 1): HARMLESS, (0, 0): HARMLESS})
EAST, NORTH = np.array([1, 0], np.float32), np.array([0, 1], np.float32)


def shelf(losses: Losses = NEAR_HALF, tenant_bytes: int | None = None) -> TrajectoryShelf:
    """An empty shelf for vectors of two numbers."""
    return TrajectoryShelf(dimensions=2, rule=RULE, losses=losses, max_entries=100, tenant_bytes=tenant_bytes)


def trajectory(key: str, namespace: str = "home", byte_count: int = 10) -> Trajectory:
    """Somebody's latents."""
    return Trajectory(key=key, namespace=namespace, tenant=namespace, byte_count=byte_count, gpu_ms=5.0)


def test_nothing_is_skipped_before_anything_was_measured() -> None:
    """Without judged pictures even the very same prompt begins from noise."""
    assert RULE.first_step(1.0, 28, Losses()) == 0


def test_the_largest_share_with_all_smaller_ones_allowed_is_skipped() -> None:
    """A share beyond one that is not allowed counts for nothing, however well it did."""
    losses = Losses({(1, 0): HARMLESS, (1, 1): Tried(100, 9), (1, 2): HARMLESS})
    assert RULE.allowed_share(0.95, losses) == 0.25
    assert RULE.allowed_share(0.95, NEAR_HALF) == 0.5
    assert RULE.allowed_share(0.7, NEAR_HALF) == 0.25
    assert RULE.allowed_share(0.3, NEAR_HALF) == 0.0


def test_too_few_pictures_allow_nothing() -> None:
    """80 pictures without a worse one are enough for 2 % at a probability of 0.2, 79 are not."""
    assert RULE.allows(Tried(80))
    assert not RULE.allows(Tried(79))
    assert not RULE.allows(Tried(80, 1))


@given(st.floats(-1, 1), st.integers(1, 50), st.integers(0, 200), st.integers(0, 50))
def test_a_beginning_is_a_step_that_was_kept(similarity: float, steps: int, tries: int, worse: int) -> None:
    """What is skipped is nothing or one of the kept steps, which are inside the run."""
    cells = {(band, place): Tried(tries, min(worse, tries)) for band in (0, 1) for place in range(3)}
    kept = RULE.kept_steps(steps)
    assert RULE.first_step(similarity, steps, Losses(cells)) in (0, *kept)
    assert all(0 < step < steps for step in kept)


@given(st.lists(st.booleans(), max_size=30))
def test_losses_count_what_was_judged(verdicts: list[bool]) -> None:
    """Every verdict is counted where it belongs, and an earlier record stays as it was."""
    losses = first = Losses()
    for worse in verdicts:
        losses = losses.after(1, 2, worse=worse)
    assert losses.at(1, 2) == Tried(len(verdicts), sum(verdicts))
    assert first.at(1, 2) == losses.at(0, 2) == Tried()


def test_a_start_is_on_the_most_similar_trajectory() -> None:
    """It names the trajectory, the step after which to go on, and how similar the prompts are."""
    kept = shelf()
    kept.add(trajectory("east"), EAST)
    kept.add(trajectory("north"), NORTH)
    start = kept.start("home", np.array([1, 0.1], np.float32), steps=28)
    assert start is not None
    assert (start.trajectory.key, start.step, round(start.similarity, 2)) == ("east", 14, 1.0)


def test_namespaces_do_not_see_each_other() -> None:
    """Another namespace begins from noise, as does a prompt that is similar to nothing."""
    kept = shelf()
    kept.add(trajectory("east"), EAST)
    assert kept.start("elsewhere", EAST, steps=28) is None
    assert kept.start("home", NORTH, steps=28) is None


def test_what_a_caller_has_seen_is_passed_over() -> None:
    """Somebody who wants another picture begins on one of another, or from noise."""
    kept = shelf()
    kept.add(trajectory("first"), EAST)
    assert kept.start("home", EAST, steps=28, seen={"first"}) is None
    kept.add(trajectory("second"), np.array([1, 0.2], np.float32))
    start = kept.start("home", EAST, steps=28, seen={"first"})
    assert start is not None
    assert start.trajectory.key == "second"


def test_what_began_late_is_begun_on_after_its_own_steps_alone() -> None:
    """Before them it was another picture's way, which its prompt says nothing about."""
    kept = shelf()
    kept.add(replace(trajectory("late"), skipped_steps=14), EAST)
    assert kept.start("home", EAST, steps=28) is None
    kept.add(replace(trajectory("late"), skipped_steps=7), EAST)
    start = kept.start("home", EAST, steps=28)
    assert start is not None
    assert start.step == 14


def test_bytes_are_bounded_for_each_tenant() -> None:
    """Over its bytes a tenant loses its own trajectories, which are then not begun on."""
    kept = shelf(tenant_bytes=25)
    for number in range(5):
        kept.add(trajectory(f"mine {number}"), EAST)
    kept.add(trajectory("theirs", namespace="they"), EAST)
    assert (len(kept), kept.byte_count) == (3, 30)
    start = kept.start("home", EAST, steps=28)
    assert start is not None
    kept.discard(start.trajectory.key)
    assert (len(kept), kept.byte_count) == (2, 20)


def test_a_trajectory_takes_the_place_of_one_under_its_key() -> None:
    """The same key twice is one trajectory, and found where it is now."""
    kept = shelf()
    kept.add(trajectory("one"), EAST)
    kept.add(trajectory("one", byte_count=4), NORTH)
    assert (len(kept), kept.byte_count) == (1, 4)
    assert kept.start("home", EAST, steps=28) is None
