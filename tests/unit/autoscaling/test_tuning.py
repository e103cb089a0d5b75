"""Which setting suits a load."""

from dataclasses import replace

import numpy as np
import pytest
from scaling_values import CURVE

from app.autoscaling.hold import USUAL_S
from app.autoscaling.measure import STEP_S, ArrivalWindow
from app.autoscaling.setting import CANDIDATES, DEFAULT
from app.autoscaling.tuning import CHOICE_STEPS, EVIDENCE_S, FluidModel, Tuner, rehearsed

MODEL = FluidModel.of(CURVE, objective_s=20.0, cold_start_s=60.0, replicas=(1, 48), late_share=0.008)
HOUR_STEPS = 3600 // STEP_S


def driven(counts: list[int], *, model: FluidModel = MODEL) -> Tuner:
    """A tuner after those counts of steps."""
    tuner, arrivals, total = Tuner.starting(model), ArrivalWindow.starting(0.0, 0), 0
    for step, count in enumerate(counts, start=1):
        total += count
        arrivals = arrivals.advanced(step * STEP_S, total)
        tuner = tuner.stepped(arrivals, model, learned_hold_s=USUAL_S)
    return tuner


def steady(hours: float) -> list[int]:
    """Poisson counts of two requests a second."""
    return np.random.default_rng(0).poisson(10, round(hours * HOUR_STEPS)).tolist()


def bursty(hours: float) -> list[int]:
    """A wall of requests for two minutes in every twelve."""
    return [40 if step % 144 < 24 else 1 for step in range(round(hours * HOUR_STEPS))]


def reserve(tuner: Tuner) -> float:
    """What the chosen setting has ordered in the mean, over the least of all."""
    return float(tuner.cost[CANDIDATES.index(tuner.choice)] / tuner.cost.min())


def test_the_default_until_there_is_evidence() -> None:
    """In the first hour nothing is chosen."""
    assert driven(bursty(EVIDENCE_S / 3600)[:-CHOICE_STEPS]).choice == DEFAULT


def test_silence_is_no_evidence() -> None:
    """Without a request nothing is chosen."""
    assert driven([0] * (2 * HOUR_STEPS)).choice == DEFAULT


def test_a_smooth_load_gets_a_lean_setting() -> None:
    """A steady load is served in time by a setting that costs little more than the cheapest of all."""
    tuner = driven(steady(3))
    chosen = CANDIDATES.index(tuner.choice)

    assert tuner.late[chosen] / tuner.arrived <= MODEL.late_share
    assert reserve(tuner) < 1.2


def test_a_bursty_load_gets_a_setting_that_holds() -> None:
    """A load of walls keeps its replicas through the silences between them."""
    tuner = driven(bursty(4))

    assert tuner.choice.hold_s is None or tuner.choice.hold_s >= 300
    assert reserve(tuner) > 1.2


def test_the_choice_is_the_cheapest_that_fits() -> None:
    """Of the candidates that serve enough in time, none costs a hundredth less than the chosen one."""
    model = replace(MODEL, late_share=0.1)
    tuner = driven(bursty(4), model=model)
    chosen, fits = CANDIDATES.index(tuner.choice), tuner.late / tuner.arrived <= model.late_share

    assert fits[chosen]
    assert tuner.cost[fits].min() > 0.985 * tuner.cost[chosen]


def test_what_cannot_be_served_gets_the_least_late() -> None:
    """When no candidate serves enough in time, the one that serves most is chosen."""
    model = replace(MODEL, max_replicas=2)
    tuner = driven(steady(2), model=model)

    assert tuner.late[CANDIDATES.index(tuner.choice)] == pytest.approx(tuner.late.min(), rel=0.01)


def test_a_rehearsal_is_repeatable() -> None:
    """A history rehearsed twice ends with the same choice and the same costs; gaps are silence."""
    counts = np.where(np.arange(120) % 20 < 3, 400.0, np.nan)
    one, other = (rehearsed(counts, MODEL, learned_hold_s=USUAL_S) for _ in range(2))

    assert one.choice == other.choice
    np.testing.assert_array_equal(one.cost, other.cost)
    assert one.arrived > 0


def test_imagined_fleets_keep_the_bounds() -> None:
    """No candidate's fleet is ever smaller than the minimum or larger than the maximum."""
    tuner = driven(bursty(1), model=replace(MODEL, min_replicas=2, max_replicas=9))

    assert tuner.target.min() >= 2
    assert tuner.target.max() == 9
