"""Windows of recorded traces, as arrivals with the history before them."""

import csv
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import polars
from numpy.typing import NDArray

from app.simulation.scaling.arrivals import Series, from_counts, from_rates, interpolated
from app.simulation.scaling.scenario import Scenario

DAY_S = 86_400
WINDOW_DAYS = 3
HISTORY_DAYS = 7
FIVE_MINUTES_S = 300
MEAN_REPLICAS, PEAK_REPLICAS = 4, 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Arrivals in seconds since the window's first, and counts per minute of what came before.

    `apart` keeps a window out of the means: it is shorter than three days, or its traffic is on and off.
    """

    name: str
    arrivals_s: Series
    history: Series
    duration_s: float = WINDOW_DAYS * DAY_S
    smooth: bool = False
    apart: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Treatment:
    """How a trace that is known by its file name is used: its name, its factor, and the first days of its windows."""

    name: str
    factor: float
    days: tuple[int, ...]
    held_out: tuple[int, ...] = ()
    smooth: bool = False


TREATMENTS: Mapping[str, Treatment] = {
    "alibaba_genai_sd_requests": Treatment(name="sd", factor=40, days=(17,), held_out=(4, 11), smooth=True),
    "nasa_http_1995_d00_27_per_second": Treatment(name="nasa", factor=2, days=(10,), held_out=(4, 22)),
    "nab_elb_request_count_5min": Treatment(name="elb", factor=8, days=(10,), held_out=(4, 7)),
    "nab_twitter_aapl_5min": Treatment(name="aapl", factor=1, days=(14,), held_out=(9, 40)),
    "azure_llm_conv_2023_per_second": Treatment(name="conv", factor=1, days=(0,)),
}


class Trace:
    """A trace that can be made larger or smaller: its length, its rate, and whole multiples of its arrivals."""

    def __init__(self, *, duration_s: float, counts: Series, multiplied: Callable[[int], Series]) -> None:
        self.duration_s = duration_s
        self.mean_per_s = float(counts.sum()) / duration_s
        self.peak_per_s = float(np.quantile(counts, 0.999)) / (duration_s / len(counts))
        self._multiplied = multiplied

    def arrivals(self, factor: float) -> Series:
        """The arrivals times a factor; where it is no whole number, of the next larger one with some left out."""
        copies = max(1, math.ceil(factor))
        arrivals_s = self._multiplied(copies)
        if copies == factor:
            return arrivals_s
        return np.asarray(arrivals_s[np.random.default_rng(0).random(len(arrivals_s)) < factor / copies])


def windows(folder: Path, *, held_out: bool = False, per_trace: int = 2) -> Iterator[Window]:
    """The windows of every trace in a folder, in the order of the file names.

    A trace that is known has windows of its own, those for choosing constants or those held out of it. Any other is
    multiplied until it needs four replicas in the mean, or forty at its peak, and cut into at most `per_trace` windows
    after a week of history, or as much of one as it has.
    """
    for path in sorted(folder.iterdir()):
        trace, treatment = read_trace(path), TREATMENTS.get(path.stem)
        if trace is None:
            continue
        known = treatment or _treated(path.stem, trace, per_trace)
        arrivals_s = trace.arrivals(known.factor)
        for day in known.held_out if held_out and treatment else known.days:
            yield cut(known, arrivals_s, day, duration_s=min(trace.duration_s - day * DAY_S, WINDOW_DAYS * DAY_S))


def read_trace(path: Path) -> Trace | None:
    """The trace of a file, told by its columns; None for a file that is no trace."""
    if path.suffix == ".parquet":
        return _counts(polars.read_parquet(path)["count"].to_numpy().astype(np.int64))
    rows = _rows(path) if path.suffix == ".csv" else []
    columns = set(rows[0]) if rows else set[str]()
    if "t_s" in columns:
        return _requests(rows)
    if "bin_start" in columns:
        return _rates(_five_minutes(rows))
    if "bin_5min" in columns:
        return _rates(np.array([float(row["sum_of_sampled_qps"]) * FIVE_MINUTES_S for row in rows]))
    return _counts(np.array([int(row["count"]) for row in rows])) if "second" in columns else None


def cut(treatment: Treatment, arrivals_s: Series, day: int, *, duration_s: float) -> Window:
    """The window that begins on one day of a trace."""
    begin_s = day * DAY_S
    inside = arrivals_s[(arrivals_s >= begin_s) & (arrivals_s < begin_s + duration_s)] - begin_s
    history, _ = np.histogram(arrivals_s, bins=np.arange(0, begin_s + 1, 60))
    return Window(
        name=f"{treatment.name} d{day}", arrivals_s=inside, history=history.astype(float), duration_s=duration_s,
        smooth=treatment.smooth, apart=duration_s < WINDOW_DAYS * DAY_S,
    )  # fmt: skip


def _treated(name: str, trace: Trace, per_trace: int) -> Treatment:
    replica_per_s = Scenario().throughput_per_s
    factor = replica_per_s * min(MEAN_REPLICAS / trace.mean_per_s, PEAK_REPLICAS / trace.peak_per_s)
    last = int(trace.duration_s // DAY_S) - WINDOW_DAYS
    first = max(0, min(HISTORY_DAYS, last))
    days = {round(day) for day in np.linspace(first, max(first, last), per_trace)}
    return Treatment(name=name, factor=round(factor) if factor > 1 else factor, days=_apart(sorted(days)))


def _apart(days: Sequence[int]) -> tuple[int, ...]:
    """Those days whose windows do not overlap an earlier one."""
    kept: list[int] = []
    for day in days:
        if not kept or day - kept[-1] >= WINDOW_DAYS:
            kept.append(day)
    return tuple(kept)


def _requests(rows: Sequence[Mapping[str, str]]) -> Trace:
    """Single requests; in each copy every user is moved by up to half an hour."""
    times = np.array([float(row["t_s"]) for row in rows])
    _, user = np.unique([row.get("user", "") for row in rows], return_inverse=True)

    def arrivals(factor: int) -> Series:
        chance = np.random.default_rng(factor)
        copies = [times + chance.uniform(-1800, 1800, user.max() + 1)[user] for _ in range(factor)]
        return np.asarray(np.sort(np.concatenate(copies) + chance.uniform(0, 1, factor * len(times))))

    duration_s = math.ceil(times.max() / DAY_S) * DAY_S
    counts, _ = np.histogram(times, bins=np.arange(0, duration_s + 1, FIVE_MINUTES_S))
    return Trace(duration_s=duration_s, counts=counts.astype(float), multiplied=arrivals)


def _counts(counts: NDArray[np.int64]) -> Trace:
    """Counts per second, multiplied."""
    return Trace(
        duration_s=float(len(counts)), counts=counts.astype(float),
        multiplied=lambda factor: from_counts(factor * counts, bin_s=1.0, seed=factor),
    )  # fmt: skip


def _rates(counts: Series) -> Trace:
    """Counts per five minutes, multiplied, as the rate of a Poisson process that is linear between their middles."""
    return Trace(
        duration_s=float(len(counts) * FIVE_MINUTES_S), counts=counts,
        multiplied=lambda factor: from_rates(factor * interpolated(counts, bin_s=FIVE_MINUTES_S), seed=factor),
    )  # fmt: skip


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _five_minutes(rows: Sequence[Mapping[str, str]]) -> Series:
    """Counts on a grid; a bin that is missing is interpolated."""
    counted = [row for row in rows if row["count"]]
    begun = [datetime.fromisoformat(row["bin_start"]) for row in counted]
    places = np.array([(each - begun[0]).total_seconds() / FIVE_MINUTES_S for each in begun])
    counts = [float(row["count"]) for row in counted]
    return np.asarray(np.interp(np.arange(places[-1] + 1), places, counts))
