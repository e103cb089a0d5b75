"""A forecaster at work: it counts, predicts every minute, and learns from its errors how far off it is.

The upper curve is the expectation plus a quantile of recent errors, in units of the expectation's square root. Trust
falls as its pinball loss exceeds that of persistence, calibrated in the same way.
"""

import math
from dataclasses import dataclass, field, replace

import numpy as np

from app.autoscaling.forecast.contract import Fitted, Forecaster
from app.autoscaling.forecast.outlook import Outlook
from app.autoscaling.forecast.persistence import Persistence
from app.autoscaling.history import DAY_MINUTES, MINUTE_S, CountHistory, Counts

LEAD_MINUTES = 2
CURVE_MINUTES = 15
REFIT_MINUTES = 60
_COVERAGE_SLACK = 0.15
_FEWEST_ERRORS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastSettings:
    """Which forecaster, how high its upper curve is, and from how much history on it may speak."""

    forecaster: Forecaster
    quantile: float = 0.7
    min_history_minutes: int = 2 * DAY_MINUTES
    keep_days: int = 28


@dataclass(frozen=True, slots=True, eq=False)
class Errors:
    """Standardised errors of the last day and whether the upper curve held, as rings of at most a day."""

    ours: Counts = field(default_factory=lambda: np.empty(0))
    persistence: Counts = field(default_factory=lambda: np.empty(0))
    covered: Counts = field(default_factory=lambda: np.empty(0))

    def seen(self, actual: float, issued: tuple[float, float, float]) -> "Errors":
        """With one more minute, for which an expectation, an upper count and persistence's were issued."""
        expected, upper, naive = issued
        return Errors(
            _ring(self.ours, _standardised(actual, expected)),
            _ring(self.persistence, _standardised(actual, naive)),
            _ring(self.covered, float(actual <= upper)),
        )


@dataclass(frozen=True, slots=True, eq=False)
class ForecastRecord:
    """Everything that a forecaster has to remember; a value, so that it can be stored and read back."""

    history: CountHistory
    fitted: Fitted | None = None
    fitted_minute: int = 0
    errors: Errors = field(default_factory=Errors)
    issued: tuple[tuple[int, tuple[float, float, float]], ...] = ()
    outlook: Outlook | None = None

    def counted(self, at_s: float, count: float, settings: ForecastSettings) -> "ForecastRecord":
        """After a minute that began at `at_s` has been counted: errors noted, a new curve issued."""
        minute = int(at_s // MINUTE_S)
        history = self.history.counted(at_s, count, keep_days=settings.keep_days)
        errors, waiting = self.errors, tuple(each for each in self.issued if each[0] > minute)
        for due, numbers in self.issued:
            if due == minute and not np.isnan(numbers).any():
                errors = errors.seen(count, numbers)
        return replace(self, history=history, errors=errors, issued=waiting)._issue(settings)

    def _issue(self, settings: ForecastSettings) -> "ForecastRecord":
        fitted, fitted_minute, now = self.fitted, self.fitted_minute, self.history.next_minute
        if fitted is None or now - fitted_minute >= REFIT_MINUTES:
            fitted, fitted_minute = settings.forecaster.fit(self.history), now
        curve = fitted.curve(self.history, CURVE_MINUTES)
        upper = curve + _quantile(self.errors.ours, settings.quantile) * np.sqrt(np.maximum(curve, 1.0))
        naive = float(Persistence().curve(self.history, 1)[0])
        promise = (float(curve[LEAD_MINUTES]), float(upper[LEAD_MINUTES]), naive)
        outlook = Outlook(
            issued_s=float(now * MINUTE_S), first_minute=now, upper=np.maximum(upper, 0.0),
            trust=trust(self.errors, settings.quantile), coverage=coverage(self.errors),
            refused=self._refusal(settings),
        )  # fmt: skip
        issued = (*self.issued, (now + LEAD_MINUTES, promise))
        return replace(self, fitted=fitted, fitted_minute=fitted_minute, issued=issued, outlook=outlook)

    def _refusal(self, settings: ForecastSettings) -> str:
        if self.history.known_minutes < settings.min_history_minutes:
            return f"history of {self.history.known_minutes} min is shorter than {settings.min_history_minutes}"
        if len(self.errors.covered) < _FEWEST_ERRORS:
            return "not calibrated yet"
        if (covered := coverage(self.errors)) < settings.quantile - _COVERAGE_SLACK:
            return f"coverage {covered:.2f} is far below {settings.quantile:g}"
        return ""


def replayed(history: CountHistory, settings: ForecastSettings, *, minutes: int = DAY_MINUTES) -> ForecastRecord:
    """The record of a forecaster that was at work for the last `minutes` of a history."""
    begin = history.next_minute - min(minutes, len(history.counts))
    record = ForecastRecord(history.until(begin))
    for minute in range(begin, history.next_minute):
        count = float(history.counts[minute - history.first_minute])
        if not np.isnan(count):
            record = record.counted(float(minute * MINUTE_S), count, settings)
    return record


def trust(errors: Errors, quantile: float) -> float:
    """One while the calibrated loss is at most persistence's, zero from twice as much."""
    ours, naive = (pinball(ring, quantile) for ring in (errors.ours, errors.persistence))
    return float(np.clip(1.0 - (ours / naive - 1.0), 0.0, 1.0)) if naive > 0 else 1.0


def coverage(errors: Errors) -> float:
    """The share of recent minutes that stayed below the upper curve; 1 while there are none."""
    return float(errors.covered.mean()) if len(errors.covered) else 1.0


def pinball(errors: Counts, quantile: float) -> float:
    """The mean pinball loss of errors around their own quantile; zero when there are none."""
    if not len(errors):
        return 0.0
    around = errors - np.quantile(errors, quantile)
    return float(np.maximum(quantile * around, (quantile - 1) * around).mean())


def _quantile(errors: Counts, quantile: float) -> float:
    return float(np.quantile(errors, quantile)) if len(errors) else 0.0


def _standardised(actual: float, expected: float) -> float:
    return (actual - expected) / math.sqrt(max(expected, 1.0))


def _ring(ring: Counts, value: float) -> Counts:
    return np.append(ring, value)[-DAY_MINUTES:]
