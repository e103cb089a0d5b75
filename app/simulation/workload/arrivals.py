"""When sessions begin and crowds come."""

import math
from collections.abc import Iterator

import numpy as np


def rate_at(now_s: float, *, mean: float, day_s: float, peak_to_trough: float) -> float:
    """The rate at a time of day: a sine around the mean, lowest at the day's beginning."""
    swing = (peak_to_trough - 1) / (peak_to_trough + 1)
    return mean * (1 - swing * math.cos(2 * math.pi * now_s / day_s))


def beginnings(rng: np.random.Generator, *, mean: float, day_s: float, peak_to_trough: float) -> Iterator[float]:
    """Times of a Poisson process with that rate, without end, by thinning.

    P. A. W. Lewis and G. S. Shedler, "Simulation of nonhomogeneous Poisson processes by thinning", 1979.
    """
    highest, now_s = 2 * mean, 0.0
    while True:
        now_s += float(rng.exponential(1 / highest))
        if rng.random() * highest < rate_at(now_s, mean=mean, day_s=day_s, peak_to_trough=peak_to_trough):
            yield now_s


def steady(rng: np.random.Generator, *, rate: float, start_s: float, stop_s: float) -> Iterator[float]:
    """Times of a Poisson process of constant rate in a span."""
    now_s = start_s
    while (now_s := now_s + float(rng.exponential(1 / rate))) < stop_s:
        yield now_s
