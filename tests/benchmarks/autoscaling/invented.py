"""Windows of invented traffic, seeded: for a checkout without traces, and for what traces seldom hold."""

from collections.abc import Iterator

import numpy as np
from benchmarks.autoscaling.traces import DAY_S, HISTORY_DAYS, Treatment, Window, cut

from app.simulation.scaling.arrivals import Series, from_rates, on_off

DAYS = HISTORY_DAYS + 3


def invented() -> Iterator[Window]:
    """A day and a night, flash crowds upon it, and steps that grow into ramps; ten days of each."""
    for number, (name, rates) in enumerate(
        {"diurnal": diurnal(), "flash": diurnal() + flash_crowds(), "ramp": ramps()}.items()
    ):
        yield _window(name, from_rates(rates, seed=100 + number), smooth=name == "diurnal")


def on_and_off() -> Window:
    """Silences around ten minutes between walls of requests; compared with Ray Serve and kept out of the means."""
    return _window("on/off", from_rates(on_off(days=DAYS, seed=200), seed=200), apart=True)


def diurnal() -> Series:
    """One to four requests a second over the day, half of that at weekends, with noise that lasts for minutes."""
    hours = np.arange(DAYS * DAY_S) / 3600
    day = 2.5 - 1.5 * np.cos(2 * np.pi * (hours - 3) / 24) + 0.5 * np.sin(4 * np.pi * hours / 24)
    weekend = np.where((hours // 24) % 7 >= 5, 0.5, 1.0)
    return np.asarray(np.maximum(day * weekend * _wander(seed=1), 0.05))


def flash_crowds() -> Series:
    """One to three crowds a day that come within a minute and go within the hour."""
    chance = np.random.default_rng(2)
    seconds, rates = np.arange(DAYS * DAY_S), np.zeros(DAYS * DAY_S)
    for begin_s in chance.uniform(0, DAYS * DAY_S, 2 * DAYS):
        since_s = seconds - begin_s
        rise = np.clip(since_s / 60, 0.0, 1.0)
        rates += np.where(since_s > 0, chance.uniform(2, 8) * rise * np.exp(-np.maximum(since_s, 0) / 1200), 0.0)
    return rates


def ramps() -> Series:
    """A level that moves in straight lines of half an hour to four hours between a tenth and six requests a second."""
    chance = np.random.default_rng(3)
    turns = np.cumsum(chance.uniform(1800, 4 * 3600, 24 * DAYS))
    levels = chance.uniform(0.1, 6.0, len(turns))
    return np.asarray(np.interp(np.arange(DAYS * DAY_S), turns, levels))


def _wander(*, seed: int) -> Series:
    """Factors around one that drift over some minutes."""
    chance = np.random.default_rng(seed)
    minutes = chance.normal(0.0, 0.25, DAYS * 1440 + 10)
    smooth = np.convolve(minutes, np.full(10, 10**-0.5), mode="valid")[: DAYS * 1440]
    return np.asarray(np.repeat(np.exp(smooth), 60))


def _window(name: str, arrivals_s: Series, *, smooth: bool = False, apart: bool = False) -> Window:
    window = cut(
        Treatment(name=name, factor=1, days=(HISTORY_DAYS,), smooth=smooth), arrivals_s, HISTORY_DAYS,
        duration_s=(DAYS - HISTORY_DAYS) * DAY_S,
    )  # fmt: skip
    return Window(name=name, arrivals_s=window.arrivals_s, history=window.history, smooth=smooth, apart=apart)
