"""The forecast in the middle of several."""

import warnings
from dataclasses import dataclass

import numpy as np

from app.autoscaling.forecast.contract import Fitted, Forecaster
from app.autoscaling.forecast.harmonic import Harmonic
from app.autoscaling.forecast.persistence import Persistence
from app.autoscaling.forecast.seasonal import SeasonalNaive
from app.autoscaling.forecast.smoothing import ExponentialSmoothing
from app.autoscaling.history import CountHistory, Counts


@dataclass(frozen=True, slots=True)
class MedianEnsemble:
    """The median of its members at every minute, so that one that is far off changes little."""

    members: tuple[Forecaster, ...] = (Persistence(), SeasonalNaive(), Harmonic(), ExponentialSmoothing())
    name: str = "ensemble"

    def fit(self, history: CountHistory) -> "FittedEnsemble":
        """Every member, fitted."""
        return FittedEnsemble(tuple(member.fit(history) for member in self.members))


@dataclass(frozen=True, slots=True)
class FittedEnsemble:
    """The fitted members."""

    members: tuple[Fitted, ...]

    def curve(self, recent: CountHistory, minutes: int) -> Counts:
        """The median of those members that have something to say."""
        curves = np.array([member.curve(recent, minutes) for member in self.members])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)
            return np.asarray(np.nanmedian(curves, axis=0))
