"""Arrivals from counts, rates and files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ConfigurationError
from app.simulation.scaling.arrivals import from_counts, from_rates, interpolated, on_off
from app.simulation.scaling.randomness import spread
from app.simulation.scaling.trace import read_counts, split


@given(st.lists(st.integers(0, 20), min_size=1, max_size=50), st.integers(0, 99))
def test_counts_come_back(counts: list[int], seed: int) -> None:
    """Arrivals made of counts are in order and have those counts in their bins."""
    arrivals_s = from_counts(np.array(counts), bin_s=10.0, seed=seed)
    found, _ = np.histogram(arrivals_s, bins=np.arange(len(counts) + 1) * 10.0)

    assert list(found) == counts
    assert (np.diff(arrivals_s) >= 0).all()


def test_rates_are_means() -> None:
    """Poisson arrivals number what their rate says, and are the same for the same seed."""
    rates = np.full(10_000, 2.0)
    arrivals_s = from_rates(rates, seed=1)

    assert len(arrivals_s) == pytest.approx(20_000, rel=0.03)
    np.testing.assert_array_equal(arrivals_s, from_rates(rates, seed=1))


def test_no_negative_rate() -> None:
    """A rate below zero is silence."""
    assert len(from_rates(np.full(100, -1.0), seed=1)) == 0


def test_coarse_bins_are_joined_by_lines() -> None:
    """Between the middles of coarse bins the rate is linear."""
    rates = interpolated(np.array([300.0, 600.0]), bin_s=300.0)

    assert len(rates) == 600
    assert rates[149] == pytest.approx(1.0, abs=0.01)
    assert rates[299] == pytest.approx(1.5, abs=0.01)


def test_on_off_is_mostly_silent() -> None:
    """On/off traffic is silent most of the time and never a little busy."""
    rates = on_off(days=1.0, seed=0)

    assert 0.05 < (rates > 0).mean() < 0.4
    assert rates[rates > 0].min() >= 2.0


def test_spread_is_even_and_repeatable() -> None:
    """Factors lie within the share around one, and are the same for equal seeds."""
    one, other = spread((1, 2), 0.1), spread((1, 2), 0.1)
    factors = [next(one) for _ in range(5000)]

    assert [next(other) for _ in range(5000)] == factors
    assert 0.9 <= min(factors) < 0.91
    assert np.mean(factors) == pytest.approx(1.0, abs=0.01)


@pytest.fixture
def read(tmp_path: Path):
    """Reads a trace given as text."""

    def load(text: str):
        path = tmp_path / "trace.csv"
        path.write_text(text, encoding="utf-8")
        return read_counts(path)

    return load


def test_times_are_seconds_or_dates(read) -> None:
    """The first column is a time in seconds, or a date that is UTC unless it says otherwise."""
    seconds = read("second,count\n0,1\n1,0\n2,5\n")
    dates = read("begin,count\n2026-11-24T00:00:00,3\n2026-11-24T01:05:00+01:00,4\n")

    assert (seconds.bin_s, list(seconds.counts)) == (1.0, [1.0, 0.0, 5.0])
    assert (dates.bin_s, dates.duration_s) == (300.0, 600.0)


def test_a_missing_bin_is_between_its_neighbours(read) -> None:
    """A bin that is not in the file has a count between those of its neighbours."""
    assert list(read("t,count\n0,1\n60,3\n180,7\n").counts) == [1.0, 3.0, 5.0, 7.0]


def test_a_trace_has_its_arrivals(read) -> None:
    """Arrivals of a trace number what it counts, in bins of seconds and in coarse ones."""
    fine = read("t,count\n" + "\n".join(f"{second},{second % 3}" for second in range(3000)))
    coarse = read("t,count\n" + "\n".join(f"{300 * step},900" for step in range(12)))

    assert len(fine.arrivals_s(seed=1)) == pytest.approx(3000, rel=0.1)
    assert len(coarse.arrivals_s(seed=1)) == pytest.approx(10_800, rel=0.1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "at least two rows"),
        ("t,number\n0,1\n1,2\n", "a column count"),
        ("count\n1\n2\n", "a column of times"),
        ("t,count\n0,one\n1,two\n", "a column count with numbers"),
        ("t,count\n0,1\n", "at least two rows"),
        ("t,count\n1,1\n0,2\n", "in the order of time"),
        ("t,count\n0,1\n1,-2\n", "no negative count"),
    ],
    ids=["empty", "no count", "no time", "no number", "one row", "backwards", "negative"],
)
def test_what_is_no_trace_is_refused(read, text: str, complaint: str) -> None:
    """A file that is no trace is refused by its name, with what it needs."""
    with pytest.raises(ConfigurationError, match=rf"trace\.csv: .*{complaint}"):
        read(text)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A trace that does not exist is refused by its name."""
    with pytest.raises(ConfigurationError, match=r"absent\.csv: No such file"):
        read_counts(tmp_path / "absent.csv")


def test_a_trace_is_split_into_history_and_load() -> None:
    """The first part becomes counts of whole minutes, the rest begins anew at zero; nothing is lost."""
    arrivals_s = np.arange(0.0, 600.0, 2.0)
    history, later = split(arrivals_s, begins_s=1200.0, history_s=130.0)

    assert (history.first_minute, list(history.counts)) == (20, [30.0, 30.0])
    assert (later[0], len(later)) == (0.0, 240)
