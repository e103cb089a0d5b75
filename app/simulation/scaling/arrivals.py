"""Arrival times from counts, and counts that are invented."""

import numpy as np
from numpy.typing import NDArray

Series = NDArray[np.float64]


def from_counts(counts: NDArray[np.integer], *, bin_s: float, seed: int) -> Series:
    """Ascending times, spread evenly at random within each bin."""
    chance = np.random.default_rng(seed)
    starts_s = np.repeat(np.arange(len(counts)) * bin_s, counts)
    return np.asarray(np.sort(starts_s + chance.uniform(0.0, bin_s, len(starts_s))))


def from_rates(rates_per_s: Series, *, seed: int) -> Series:
    """Poisson arrivals of a rate given for every second."""
    counts = np.random.default_rng((seed, 1)).poisson(np.maximum(rates_per_s, 0.0))
    return from_counts(counts, bin_s=1.0, seed=seed)


def interpolated(counts: Series, *, bin_s: float) -> Series:
    """Rates for every second, linear between the centres of coarse bins."""
    centres_s = (np.arange(len(counts)) + 0.5) * bin_s
    seconds = np.arange(int(len(counts) * bin_s)) + 0.5
    return np.asarray(np.interp(seconds, centres_s, counts / bin_s))


def on_off(*, days: float, seed: int) -> Series:
    """Rates of on/off traffic: silences around ten minutes, then a wall of requests for one to three minutes."""
    chance = np.random.default_rng(seed)
    rates = np.zeros(int(days * 86_400))
    at_s = 0
    while at_s < len(rates):
        at_s += int(chance.gamma(4.0, 150.0))
        until_s = at_s + int(chance.uniform(60, 180))
        rates[at_s:until_s] = chance.uniform(2.0, 6.0)
        at_s = until_s
    return rates
