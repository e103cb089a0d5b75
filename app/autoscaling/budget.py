"""Money: what a day may cost, and how many replicas are left of it."""

from dataclasses import dataclass
from typing import Literal

from app.autoscaling.terms import Term

DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one deployment may cost on a day of UTC; `warn` says when it would be exceeded, `cap` prevents it."""

    per_day: float
    replica_per_hour: float
    currency: str = "EUR"
    on_exceed: Literal["warn", "cap"] = "cap"


@dataclass(frozen=True, slots=True)
class Spending:
    """Replica-seconds ordered on one day."""

    day: int = 0
    replica_s: float = 0.0
    until_s: float = 0.0

    def went_on(self, now_s: float, replicas: int) -> "Spending":
        """With `replicas` until now; a new day starts at nothing."""
        day = int(now_s // DAY_S)
        if day != self.day:
            return Spending(day, 0.0, now_s)
        return Spending(day, self.replica_s + replicas * max(0.0, now_s - self.until_s), now_s)


def budget_term(budget: Budget, spending: Spending, now_s: float) -> Term:
    """The number of replicas that the rest of the day's budget pays for until midnight."""
    left_s = DAY_S - now_s % DAY_S
    spent = spending.replica_s / 3600 * budget.replica_per_hour
    affordable = max(0.0, budget.per_day - spent) / (left_s / 3600 * budget.replica_per_hour)
    return Term("budget", affordable, f"{spent:.0f} of {budget.per_day:.0f} {budget.currency} spent")
