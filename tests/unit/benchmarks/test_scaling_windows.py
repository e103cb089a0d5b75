"""Windows of the scaling benchmark: every format of trace, and the same cut for equal files."""

from pathlib import Path

import numpy as np
import polars
import pytest
from benchmarks.autoscaling.contenders import ORACLE, OURS, RAY, RAY_ONE, Row
from benchmarks.autoscaling.invented import invented, on_and_off
from benchmarks.autoscaling.report import by_place, mean_factor, verdicts
from benchmarks.autoscaling.traces import DAY_S, Window, read_trace, windows

pytestmark = pytest.mark.ray


def write_requests(folder: Path, *, days: float = 4.0) -> Path:
    """A request every minute, by two users."""
    rows = "\n".join(f"{60 * k},{k % 2}" for k in range(round(days * 1440)))
    path = folder / "requests.csv"
    path.write_text("t_s,user\n" + rows, encoding="utf-8")
    return path


def write_seconds(folder: Path) -> Path:
    """An hour in which a request comes every other second."""
    path = folder / "seconds.csv"
    path.write_text("second,count\n" + "\n".join(f"{k},{k % 2}" for k in range(3600)), encoding="utf-8")
    return path


def write_bins(folder: Path) -> Path:
    """Two hours of five minutes each, one of which is missing."""
    rows = "\n".join(f"2014-04-10 {k // 12:02}:{5 * (k % 12):02}:00,{'' if k == 3 else 60}" for k in range(24))
    path = folder / "bins.csv"
    path.write_text("bin_start,count\n" + rows, encoding="utf-8")
    return path


def write_rates(folder: Path) -> Path:
    """Two hours of half a request a second."""
    path = folder / "rates.csv"
    path.write_text("bin_5min,sum_of_sampled_qps\n" + "\n".join(f"{k},0.5" for k in range(24)), encoding="utf-8")
    return path


def write_table(folder: Path) -> Path:
    """An hour of counts per second, in columns."""
    path = folder / "table.parquet"
    counts = polars.Series("count", np.tile([0, 2], 1800), dtype=polars.UInt8)
    polars.DataFrame([counts]).write_parquet(path)
    return path


@pytest.mark.parametrize(
    ("write", "duration_s", "mean_per_s"),
    [
        (write_requests, 4 * DAY_S, 1 / 60),
        (write_seconds, 3600, 0.5),
        (write_bins, 7200, 0.2),
        (write_rates, 7200, 0.5),
        (write_table, 3600, 1.0),
    ],
    ids=["requests", "seconds", "bins", "rates", "table"],
)
def test_every_format_is_read(tmp_path: Path, write, duration_s: float, mean_per_s: float) -> None:
    """A trace is told by its columns; its arrivals number its requests times the factor."""
    trace = read_trace(write(tmp_path))

    assert (trace.duration_s, trace.mean_per_s) == (duration_s, pytest.approx(mean_per_s))
    for factor in (0.5, 1, 3):
        assert len(trace.arrivals(factor)) == pytest.approx(factor * mean_per_s * duration_s, rel=0.2)


def test_other_files_are_passed_over(tmp_path: Path) -> None:
    """What is no trace is none."""
    (tmp_path / "README.md").write_text("# Traces", encoding="utf-8")
    (tmp_path / "quantiles.csv").write_text("metric,p50\nload,22\n", encoding="utf-8")
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")

    assert list(windows(tmp_path)) == []


def test_an_unknown_trace_is_cut_and_multiplied(tmp_path: Path) -> None:
    """A trace without a name of ours is multiplied until it needs four replicas, with the days before as history."""
    write_requests(tmp_path, days=11.0)
    found = list(windows(tmp_path, per_trace=2))

    assert [each.name for each in found] == ["requests d7"]
    assert found[0].duration_s == 3 * DAY_S
    assert len(found[0].history) == 7 * 1440
    assert len(found[0].arrivals_s) / found[0].duration_s == pytest.approx(4 * 4 / 9.4, rel=0.05)


def test_windows_do_not_overlap(tmp_path: Path) -> None:
    """Of a long trace there are as many windows as asked for, apart from each other."""
    write_requests(tmp_path, days=30.0)

    assert [each.name for each in windows(tmp_path, per_trace=3)] == ["requests d7", "requests d17", "requests d27"]


def test_a_short_trace_stands_apart(tmp_path: Path) -> None:
    """A trace below three days is simulated whole and kept out of the means."""
    write_seconds(tmp_path)
    (window,) = windows(tmp_path)

    assert (window.duration_s, window.apart, len(window.history)) == (3600.0, True, 0)


def test_invented_traffic_is_always_the_same() -> None:
    """Without traces there are three windows of three days with a week before them, the same each time."""
    first, again = list(invented()), list(invented())

    assert [each.name for each in first] == ["diurnal", "flash", "ramp"]
    assert all(np.array_equal(one.arrivals_s, other.arrivals_s) for one, other in zip(first, again, strict=True))
    assert {len(each.history) for each in first} == {7 * 1440}
    assert on_and_off().apart


def make_row(window: str, contender: str, hours: float, share: float) -> Row:
    """What one contender made of one window."""
    return Row(
        window=window, contender=contender, gpu_hours=hours, attainment=share, cold_starts=9, tick_s=np.array([1e-4])
    )


def test_promises_are_judged() -> None:
    """Each promise is said to be kept or missed, by means over whole windows; on/off beside Ray Serve alone."""
    whole = [Window(name=name, arrivals_s=np.empty(0), history=np.empty(0)) for name in ("a", "b")]
    apart = Window(name="on/off", arrivals_s=np.empty(0), history=np.empty(0), apart=True)
    rows = by_place(
        make_row(window, contender, hours, share)
        for window, ours in (("a", 1.0), ("b", 2.25), ("on/off", 5.0))
        for contender, hours, share in (
            (ORACLE, 1.0, 0.99),
            (OURS, ours, 0.995),
            (RAY, 4.0, 0.9),
            (RAY_ONE, 6.0, 0.996),
        )
    )
    lines = verdicts([*whole, apart], rows)

    assert mean_factor(rows, ["a", "b"], OURS) == pytest.approx(1.5)
    assert "least share in time: 99.50% (limit 99% kept)" in lines
    assert "mean of GPU-hours over the best plan: 1.50x (limit 1.45x missed, goal 1.25x missed)" in lines
    assert "mean of GPU-hours over Ray Serve with target 1: 0.25x (limit 0.6x kept, goal 0.5x kept)" in lines
    assert [line.rsplit(": ", 1)[1] for line in lines if line.startswith("on/off")] == ["missed"]
