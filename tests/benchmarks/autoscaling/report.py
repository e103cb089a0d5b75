"""What the scaling benchmark prints."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import geometric_mean

import numpy as np
from benchmarks.autoscaling.contenders import CONTENDERS, ORACLE, OURS, RAY, RAY_ONE, Row
from benchmarks.autoscaling.traces import Window
from rich.table import Table

PROMISED = 0.99
MEAN_LIMIT, MEAN_GOAL, WORST_GOAL, SMOOTH_GOAL, RAY_LIMIT, RAY_GOAL = 1.45, 1.25, 1.5, 1.1, 0.6, 0.5

Rows = Mapping[tuple[str, str], Row]


def by_place(rows: Iterable[Row]) -> Rows:
    """Rows by window and contender."""
    return {(row.window, row.contender): row for row in rows}


def comparison(windows: Sequence[Window], rows: Rows) -> Table:
    """GPU-hours over the best plan's and the share of requests in time, by contender and window."""
    counted = [each.name for each in windows if not each.apart]
    table = Table(
        *("", *(each.name for each in windows), "mean", "least in time", "cold starts"),
        title="GPU-hours ÷ best plan / % in time",
    )
    for contender in CONTENDERS:
        cells = [_cell(rows[each.name, contender], rows[each.name, ORACLE]) for each in windows]
        table.add_row(contender, *cells, *_overall(rows, counted, contender))
    return table


def _overall(rows: Rows, windows: Sequence[str], contender: str) -> tuple[str, str, str]:
    """The mean factor, the least share in time and the mean of cold starts over whole windows, if there are any."""
    if not windows:
        return "-", "-", "-"
    own = [rows[name, contender] for name in windows]
    least, starts = 100 * min(row.attainment for row in own), round(np.mean([row.cold_starts for row in own]))
    return f"{mean_factor(rows, windows, contender):.2f}x", f"{least:.1f}", f"{starts}"


def mean_factor(rows: Rows, windows: Sequence[str], contender: str, *, over: str = ORACLE) -> float:
    """The geometric mean of GPU-hours over another contender's."""
    return geometric_mean([rows[name, contender].gpu_hours / rows[name, over].gpu_hours for name in windows])


def verdicts(windows: Sequence[Window], rows: Rows) -> list[str]:
    """Each promise, and whether it is kept."""
    counted = [each.name for each in windows if not each.apart]
    return [*(_promises(windows, rows, counted) if counted else []), *_apart(windows, rows)]


def ticks(rows: Iterable[Row]) -> str:
    """How long a decision of ours takes."""
    seconds = np.concatenate([row.tick_s for row in rows if row.contender == OURS])
    middle, slow = 1e6 * np.quantile(seconds, [0.5, 0.99])
    return f"policy tick: p50 {middle:.0f} µs, p99 {slow:.0f} µs of processor time over {len(seconds):,} decisions"


def _promises(windows: Sequence[Window], rows: Rows, counted: Sequence[str]) -> list[str]:
    least = min(rows[name, OURS].attainment for name in counted)
    mean, ray = mean_factor(rows, counted, OURS), mean_factor(rows, counted, OURS, over=RAY_ONE)
    worst = max(mean_factor(rows, [name], OURS) for name in counted)
    lines = [
        _line("least share in time", 100 * least, "%", limit=100 * PROMISED, above=True),
        _line("mean of GPU-hours over the best plan", mean, "x", limit=MEAN_LIMIT, goal=MEAN_GOAL),
        _line("worst of GPU-hours over the best plan", worst, "x", limit=None, goal=WORST_GOAL),
        _line("mean of GPU-hours over Ray Serve with target 1", ray, "x", limit=RAY_LIMIT, goal=RAY_GOAL),
    ]
    smooth = [each.name for each in windows if each.smooth and not each.apart]
    if smooth:
        factor = mean_factor(rows, smooth, OURS)
        lines.append(_line("mean over the best plan on smooth load", factor, "x", limit=None, goal=SMOOTH_GOAL))
    return lines


def _apart(windows: Sequence[Window], rows: Rows) -> list[str]:
    lines = []
    for name in (each.name for each in windows if each.apart):
        ours, ray = rows[name, OURS], rows[name, RAY]
        kept = ours.attainment >= ray.attainment and ours.gpu_hours <= ray.gpu_hours
        lines.append(
            f"{name}: {100 * ours.attainment:.1f} % in time with {ours.gpu_hours:.1f} GPU-hours, {RAY} "
            f"{100 * ray.attainment:.1f} % with {ray.gpu_hours:.1f}: {'kept' if kept else 'missed'}"
        )
    return lines


def _line(
    what: str, value: float, unit: str, *, limit: float | None, goal: float | None = None, above: bool = False
) -> str:
    marks = []
    for word, bound in (("limit", limit), ("goal", goal)):
        if bound is not None:
            kept = value >= bound if above else value <= bound
            marks.append(f"{word} {bound:g}{unit} {'kept' if kept else 'missed'}")
    return f"{what}: {value:.2f}{unit} ({', '.join(marks)})"


def _cell(row: Row, best: Row) -> str:
    cost = f"{row.gpu_hours:.0f} h" if row is best else f"{row.gpu_hours / best.gpu_hours:.2f}x"
    return f"{cost} / {100 * row.attainment:.1f}"
