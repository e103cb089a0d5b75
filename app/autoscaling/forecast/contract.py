"""What every forecaster promises."""

import warnings
from typing import Protocol

import numpy as np

from app.autoscaling.history import CountHistory, Counts


class Fitted(Protocol):
    """A model of one history."""

    def curve(self, recent: CountHistory, minutes: int) -> Counts:
        """Expected counts of the `minutes` minutes after `recent`, none negative; NaN where nothing can be said."""
        ...


class Forecaster(Protocol):
    """Learns from a history, however short and full of gaps; never raises because of one."""

    @property
    def name(self) -> str:
        """How reports call it."""
        ...

    def fit(self, history: CountHistory) -> Fitted:
        """The model of a history; milliseconds for weeks of minutes."""
        ...


def known_mean(counts: Counts) -> float:
    """The mean of the minutes that were counted; NaN when none was."""
    known = counts[~np.isnan(counts)]
    return float(known.mean()) if len(known) else float("nan")


def column_means(table: Counts) -> Counts:
    """The mean of each column without its gaps; NaN where there is nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(table, axis=0))
