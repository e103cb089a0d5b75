"""Whether similarity that is earned keeps its promise: who earns it wrongly, how soon the breaker opens, what slips by.

Simulations of 1,000 namespaces each. How many audits the breaker needs is also predicted from its rule alone.
"""

import math
import random
import statistics
from collections.abc import Callable

from rich.console import Console
from rich.table import Table
from scipy.stats import binom

from app.cache.earned import EarningRule, Standing, State
from app.cache.earned.bounds import audits_without_error
from app.cache.earned.detector import alternatives, step

RUNS = 1000
RULES = {limit: EarningRule(max_false_hit_rate=limit) for limit in (0.01, 0.05)}
GOOD = 0.1  # the rate of wrong hits before the failure, as a share of the limit
BAD = 0.1
HORIZON = 4000

Draw = Callable[[], float]


def audits_to_earn(rule: EarningRule, rate: float, draw: Draw, horizon: int) -> int | None:
    """How many audits in shadow a namespace with this rate of wrong hits needs; None: more than the horizon."""
    standing = Standing()
    for audits in range(1, horizon + 1):
        standing = standing.after_audit(rule, right=draw() >= rate)
        if standing.state is State.EARNED:
            return audits
    return None


def life(rule: EarningRule, good_hits: int, draw: Draw) -> tuple[int, int, int]:
    """A namespace that earns its right, serves, and fails after so many hits.

    How many audits of the failure it took until the breaker opened, how many hits were served, and how many wrongly.
    """
    standing = Standing(state=State.EARNED)
    audits = served = wrong = 0
    while standing.state is State.EARNED:
        failing = served >= good_hits
        right = draw() >= (BAD if failing else GOOD * rule.max_false_hit_rate)
        if standing.wants_audit(rule, draw()):
            standing = standing.after_audit(rule, right=right)
            served, audits = served + right, audits + failing
        else:
            standing = standing.after_hit()
            served, wrong = served + 1, wrong + (not right)
    return audits, served, wrong


def threshold(rule: EarningRule) -> float:
    """The log-likelihood ratio of one alternative that opens the breaker alone."""
    return math.log(len(alternatives(rule.observed_limit)) / rule.false_opening)


def predicted_mean(rule: EarningRule, rate: float) -> float:
    """No more audits than this open the breaker in the mean: Wald's identity, with the largest overshoot there is."""
    limit = rule.observed_limit
    means = []
    for other in alternatives(limit):
        up, down = step(other, limit, wrong=True), step(other, limit, wrong=False)
        if (drift := rate * up + (1 - rate) * down) > 0:
            means.append((threshold(rule) + up) / drift)
    return min(means)


def predicted_quantile(rule: EarningRule, rate: float, share: float) -> int:
    """By so many audits at least this share has opened: a binomial tail, for one alternative that never starts anew."""
    limit = rule.observed_limit
    for audits in range(1, 100_000):
        for other in alternatives(limit):
            up, down = step(other, limit, wrong=True), step(other, limit, wrong=False)
            errors = math.ceil((threshold(rule) - audits * down) / (up - down))
            if binom.sf(errors - 1, audits, rate) >= share:
                return audits
    raise ValueError("the rate is too near to the limit")


def largest_share(rule: EarningRule) -> float:
    """The probability with which a rate at the very limit earns the right to serve, summed over all looks there are."""
    needed = audits_without_error(rule.observed_limit, alpha=rule.alpha_of(1))
    return (1 - rule.observed_limit) ** needed + sum(rule.alpha_of(look) for look in range(2, 10_000))


def print_earning(console: Console, draw: Draw) -> None:
    """Namespaces that must not, and that should, earn the right to serve."""
    table = Table("limit", "true rate", "earned", "median audits", title=f"{RUNS} namespaces, {HORIZON} audits each")
    for limit, rule in RULES.items():
        for factor in (0.1, 0.3, 1.1, 2.0):
            needed = [audits_to_earn(rule, factor * limit, draw, HORIZON) for _ in range(RUNS)]
            earned = [audits for audits in needed if audits is not None]
            median = f"{statistics.median(earned):.0f}" if earned else ""
            table.add_row(f"{limit:.0%}", f"{factor * limit:.3%}", f"{len(earned) / RUNS:.1%}", median)
    console.print(table)
    console.print("A rate above the limit may earn the right to serve in at most 5 % of the namespaces, for ever.")
    for limit, rule in RULES.items():
        console.print(f"Computed for a rate of exactly {limit:.0%}, at most: {largest_share(rule):.3%}.")


def print_breaking(console: Console, draw: Draw) -> None:
    """Namespaces whose judge starts to fail."""
    columns = ("limit", "hits before", "audits to open", "p95", "at most, predicted", "p95", "within that")
    table = Table(*columns, "over limit", title=f"{RUNS} namespaces of which {BAD:.0%} of the hits turn wrong")
    for limit, rule in RULES.items():
        late = predicted_quantile(rule, BAD, 0.95)
        for good_hits in (100, 1000, 5000):
            lives = [life(rule, good_hits, draw) for _ in range(RUNS)]
            audits = sorted(found for found, _, _ in lives if found > 0)
            table.add_row(
                f"{limit:.0%}",
                str(good_hits),
                f"{statistics.fmean(audits):.0f}",
                str(audits[int(0.95 * len(audits))]),
                f"{predicted_mean(rule, BAD):.0f}",
                str(late),
                f"{sum(found <= late for found in audits) / len(audits):.1%}",
                f"{sum(wrong > limit * served for _, served, wrong in lives) / RUNS:.1%}",
            )
    console.print(table)
    console.print(
        "over limit: namespaces in which more of the hits served, from first to last, were wrong than allowed."
    )


def main() -> None:
    """Simulate and print."""
    console = Console(width=120)
    draw = random.Random(0).random
    print_earning(console, draw)
    print_breaking(console, draw)


if __name__ == "__main__":
    main()
