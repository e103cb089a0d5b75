"""What scaling costs beside the best plan in hindsight and beside Ray Serve's own policy, on recorded traffic.

    make bench-autoscaling                                   invented traffic, where no traces are given
    make bench-autoscaling FLAGS="--traces FOLDER"           every trace in a folder
    make bench-autoscaling FLAGS="--traces FOLDER --held-out --jobs 2 --json out.json"

A folder holds Parquet files with a column `count` per second, and CSV files with the columns `t_s` (one row per
request, and `user` where there is one), `bin_start,count` (five minutes), `bin_5min,sum_of_sampled_qps` or
`second,count`; other files are passed over. Every window is three days with the days before it as history. One
configuration serves all of them. Replicas take 4 s for one request and 9.4 s for four, start in 60 s ± 25 %, and a
request is in time within 20 s. Ray Serve's policy is its own code, fed as its controller would.
"""

import argparse
import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from time import thread_time

import numpy as np
from benchmarks.autoscaling.contenders import CONTENDERS, Row, run
from benchmarks.autoscaling.invented import invented, on_and_off
from benchmarks.autoscaling.report import by_place, comparison, ticks, verdicts
from benchmarks.autoscaling.traces import Window, windows
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from app.autoscaling.forecast.ensemble import MedianEnsemble
from app.autoscaling.history import DAY_MINUTES, CountHistory

WIDTH = 200
FIT_DAYS = 28


def main() -> None:
    """Simulate, print, write."""
    arguments = _arguments()
    console = Console(width=WIDTH)
    chosen = list(_windows(arguments, console))
    rows = _simulated(chosen, jobs=arguments.jobs, console=console)
    placed = by_place(rows)
    console.print(comparison(chosen, placed))
    for line in (*verdicts(chosen, placed), ticks(rows), _fit_time()):
        console.print(line, highlight=False)
    if arguments.json:
        arguments.json.write_text(json.dumps([_plain(row) for row in rows], indent=1), encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--traces", type=Path, help="a folder of traces; without one, traffic is invented")
    add("--held-out", action="store_true", help="of known traces, the windows on which no constant was chosen")
    add("--per-trace", type=int, default=2, help="most windows of a trace that is not known by name")
    add("--only", nargs="*", default=[""], help="windows whose name begins so")
    add("--jobs", type=int, default=max(1, (os.cpu_count() or 2) // 2), help="simulations at a time")
    add("--json", type=Path, help="where to write the rows")
    return parser.parse_args()


def _windows(arguments: argparse.Namespace, console: Console) -> Iterator[Window]:
    if arguments.traces is None:
        console.print("No traces are given: the traffic is invented, from fixed seeds.")
        found = [*invented(), on_and_off()]
    else:
        traces = windows(arguments.traces, held_out=arguments.held_out, per_trace=arguments.per_trace)
        found = [*traces, on_and_off()]
    for window in found:
        if window.name.startswith(tuple(arguments.only)):
            console.print(f"{window.name}: {len(window.arrivals_s):,} requests in {window.duration_s / 3600:.1f} h")
            yield window


def _simulated(chosen: Sequence[Window], *, jobs: int, console: Console) -> list[Row]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with (
        Progress(*columns, console=console) as progress,
        ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool,
    ):
        bar = progress.add_task("simulating", total=len(chosen) * len(CONTENDERS))
        futures = [pool.submit(run, window, contender) for contender in CONTENDERS for window in chosen]
        rows = []
        for done in as_completed(futures):
            rows.append(done.result())
            latest = f"{rows[-1].contender}, {rows[-1].window}"
            progress.update(bar, advance=1, description=latest)
            if not console.is_terminal:
                print(latest, file=sys.stderr, flush=True)
    return rows


def _fit_time() -> str:
    """The time to fit every forecaster to four weeks of minutes, in the middle of five."""
    minutes = np.arange(FIT_DAYS * DAY_MINUTES)
    rates = 100 + 60 * np.sin(2 * np.pi * minutes / DAY_MINUTES)
    history = CountHistory(0, np.random.default_rng(0).poisson(rates).astype(float))

    def once() -> float:
        began_s = thread_time()
        MedianEnsemble().fit(history)
        return thread_time() - began_s

    return f"forecaster: {1000 * median(once() for _ in range(5)):.0f} ms to fit {FIT_DAYS} days of minutes"


def _plain(row: Row) -> dict[str, str | float]:
    return {
        "window": row.window, "contender": row.contender, "gpu_hours": row.gpu_hours, "attainment": row.attainment,
        "cold_starts": row.cold_starts,
    }  # fmt: skip


if __name__ == "__main__":
    main()
