"""What the cost model predicts from what it saw."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.inference.engine.cost_store import CostStore
from app.inference.engine.costs import STALE_AFTER, CostModel, Shape

STEP, LARGER, DECODE = Shape("step", 64, 64), Shape("step", 128, 128), Shape("decode", 64, 64)


def model(**seconds: float) -> CostModel:
    """A model that has seen a step of each named batch size once."""
    costs = CostModel()
    for batch, value in seconds.items():
        costs.observe(STEP, int(batch.removeprefix("of_")), value)
    return costs


def test_nothing_is_predicted_from_nothing() -> None:
    """An empty model says that it does not know."""
    assert CostModel().seconds(STEP, 1) is None


def test_what_was_measured_is_predicted_by_its_median() -> None:
    """One slow step among many does not move the prediction."""
    costs = CostModel()
    for value in (1.0, 1.2, 9.0, 1.1, 1.1):
        costs.observe(STEP, 2, value)
    assert costs.seconds(STEP, 2) == 1.1


def test_old_measurements_are_forgotten() -> None:
    """The prediction follows when the machine becomes slower for good."""
    costs = CostModel()
    for value in [1.0] * 50 + [2.0] * 15:
        costs.observe(STEP, 1, value)
    assert costs.seconds(STEP, 1) == 2.0


def test_sizes_between_are_interpolated_and_beyond_extrapolated() -> None:
    """Between two known batch sizes lies a straight line, and it goes on behind them."""
    costs = model(of_2=2.0, of_4=3.0)
    assert [costs.seconds(STEP, size) for size in (1, 3, 8)] == [1.5, 2.5, 5.0]


def test_a_single_size_tells_nothing_about_others() -> None:
    """What a batch gains is not guessed: the engine tries it."""
    assert model(of_2=2.0).seconds(STEP, 4) is None


def test_a_larger_batch_is_never_foreseen_to_be_faster() -> None:
    """Noise that makes a larger batch look faster is not continued."""
    assert model(of_2=2.0, of_4=1.0).seconds(STEP, 8) == 1.0


def test_an_unseen_shape_is_scaled_by_area() -> None:
    """Four times the pixels, four times the time, from the nearest shape of the same stage."""
    costs = model(of_1=1.0)
    assert costs.seconds(LARGER, 1) == 4.0
    assert costs.seconds(DECODE, 1) is None


def test_what_is_not_measured_becomes_stale() -> None:
    """A size that others have overtaken so many times is to be tried again; so is one that was never tried."""
    costs = model(of_1=1.0, of_4=2.0)
    assert (costs.is_stale(STEP, 4), costs.is_stale(STEP, 8), costs.is_stale(LARGER, 1)) == (False, True, True)
    for _ in range(STALE_AFTER):
        costs.observe(STEP, 1, 1.0)
    assert (costs.is_stale(STEP, 1), costs.is_stale(STEP, 4)) == (False, True)


def test_a_measurement_tells_what_had_been_foreseen() -> None:
    """Telemetry publishes how well that was; the first measurement had no prediction."""
    costs = CostModel()
    assert costs.observe(STEP, 1, 1.0) is None
    assert costs.observe(STEP, 1, 1.25) == 1.0


def test_a_shortage_overrules_what_was_measured() -> None:
    """Work that found too little memory needs 5 % more than there was, whatever smaller peaks had been seen."""
    costs = CostModel()
    for _ in range(20):
        costs.observe_bytes(STEP, 4, 100)
    costs.observe_bytes(STEP, 1, 30)
    costs.learn_shortage(STEP, 4, free=500)
    assert costs.bytes(STEP, 4) == 525
    assert (costs.bytes(STEP, 8) or 0) > 525
    assert costs.bytes(STEP, 1) == 30


@given(st.lists(st.tuples(st.sampled_from([STEP, LARGER, DECODE]), st.integers(1, 8), st.floats(0.001, 10.0))))
def test_a_saved_model_predicts_the_same(seen: list[tuple[Shape, int, float]]) -> None:
    """Through JSON and back nothing changes."""
    costs = CostModel()
    for shape, batch, value in seen:
        costs.observe(shape, batch, value)
        costs.observe_effort(shape, batch, value / 2)
        costs.observe_bytes(shape, batch, value * 1e9)
    again = CostModel.of(json.loads(json.dumps(costs.to_json())))
    for shape in (STEP, LARGER, DECODE):
        for batch in range(1, 10):
            assert again.seconds(shape, batch) == costs.seconds(shape, batch)
            assert again.effort(shape, batch) == costs.effort(shape, batch)
            assert again.bytes(shape, batch) == costs.bytes(shape, batch)


def test_costs_are_kept_by_circumstances(tmp_path: Path) -> None:
    """Another process with the same circumstances knows them at once, one with others starts anew."""
    CostStore(tmp_path, "sketch", "cpu").save(model(of_1=0.5))
    assert CostStore(tmp_path, "sketch", "cpu").load().seconds(STEP, 1) == 0.5
    assert CostStore(tmp_path, "sketch", "gpu").load().seconds(STEP, 1) is None


@pytest.mark.parametrize("damage", ["", "[]", '{"seconds": [[["step"], {}]], "bytes": []}', "{", '{"seconds": 3}'])
def test_a_damaged_file_is_as_good_as_none(tmp_path: Path, damage: str) -> None:
    """The costs are measured anew."""
    store = CostStore(tmp_path, "sketch")
    store.save(model(of_1=0.5))
    (path,) = tmp_path.iterdir()
    path.write_text(damage, encoding="utf-8")
    assert store.load().seconds(STEP, 1) is None


def test_costs_that_cannot_be_kept_are_not_missed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A folder that cannot be written costs a line in the log, not the start of a replica."""
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    CostStore(tmp_path / "file" / "below", "sketch").save(model(of_1=0.5))
    assert "could not be kept" in caplog.text
