"""What a forecaster hands to the policy: a curve, how far it may be trusted, and when it was made."""

from dataclasses import dataclass

import numpy as np

from app.autoscaling.history import MINUTE_S, Counts
from app.autoscaling.terms import Term


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Outlook:
    """Calibrated upper counts per minute from `first_minute` since the epoch; `refused` says why it is not used."""

    issued_s: float
    first_minute: int
    upper: Counts
    trust: float
    coverage: float
    refused: str = ""

    def peak_per_s(self, from_s: float, until_s: float) -> float:
        """The highest upper rate between two times; zero where the curve says nothing."""
        first = int(from_s // MINUTE_S) - self.first_minute
        last = int(until_s // MINUTE_S) - self.first_minute
        inside = self.upper[max(0, first) : max(0, last + 1)]
        known = inside[~np.isnan(inside)]
        return float(known.max()) / MINUTE_S if len(known) else 0.0


def forecast_term(
    outlook: Outlook | None, *, now_s: float, ahead_s: float, throughput_per_s: float, max_age_s: float
) -> Term:
    """Replicas for the calibrated peak of the time in which a replica ordered now would be new, times its trust."""
    if outlook is None:
        return Term("forecast", 0.0, "none yet")
    age_s = now_s - outlook.issued_s
    if outlook.refused or age_s > max_age_s:
        return Term("forecast", 0.0, outlook.refused or f"age {age_s:.0f} s exceeds {max_age_s:.0f} s")
    peak_per_s = outlook.peak_per_s(now_s + ahead_s, now_s + ahead_s + 2 * MINUTE_S)
    why = f"trust {outlook.trust:.2f}, age {age_s:.0f} s"
    return Term("forecast", outlook.trust * peak_per_s / throughput_per_s, why)
