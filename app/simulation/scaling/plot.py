"""A simulated scaling as a picture: load, replicas, forecast, floors, cost."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.simulation.scaling.outcome import Outcome

_HOUR_S = 3600
_POINTS = 4000


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Story:
    """What is drawn of one simulation, one number a tick; rates are per second, the rest in replicas."""

    outcome: Outcome
    tick_s: float
    rate_per_s: NDArray[np.float64]
    forecast: NDArray[np.float64]
    floor: NDArray[np.float64]
    cost_per_hour: float
    currency: str


def draw(story: Story, path: Path, *, title: str) -> None:
    """Write the picture; its format follows from the name of the file."""
    import matplotlib as mpl

    mpl.use("agg")
    from matplotlib import pyplot

    every = max(1, len(story.outcome.target) // _POINTS)
    hours = np.arange(len(story.outcome.target))[::every] * story.tick_s / _HOUR_S
    figure, (load, replicas, cost) = pyplot.subplots(
        3, 1, sharex=True, figsize=(12, 8), height_ratios=(2, 3, 1), layout="constrained"
    )
    load.plot(hours, story.rate_per_s[::every], linewidth=0.7, color="tab:gray")
    load.set(ylabel="requests/s", title=title)
    replicas.plot(hours, story.outcome.target[::every], label="ordered", color="tab:blue", linewidth=1)
    replicas.plot(hours, story.outcome.ready[::every], label="ready", color="tab:green", linewidth=0.8)
    replicas.plot(hours, story.forecast[::every], label="forecast", color="tab:orange", linewidth=0.6)
    replicas.plot(hours, story.floor[::every], label="floor", color="tab:red", linewidth=0.8, linestyle="--")
    replicas.set(ylabel="replicas")
    replicas.legend(loc="upper right", ncols=4)
    paid = np.cumsum(story.outcome.target) * story.tick_s / _HOUR_S * story.cost_per_hour
    cost.plot(hours, paid[::every], color="tab:purple")
    cost.set(ylabel=story.currency, xlabel="hours")
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
