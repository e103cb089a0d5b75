"""Evidence that a rate has risen above its limit, at a time that nobody knows.

E. S. Page, "Continuous inspection schemes", Biometrika 41 (1954), mixed over how far the rate may have risen. Each part
is a likelihood ratio that starts anew when it says nothing, so that a long good record hides no change; their mean is
an e-detector in the sense of J. Shin, A. Ramdas and A. Rinaldo, "E-detectors: a nonparametric framework for sequential
change detection", arXiv 2203.03532 (2022): while the rate is at most the limit, it takes at least 1 / a observations in
the mean until it exceeds 1 / a.
"""

import math
from typing import Final

_FACTORS: Final = (1.5, 3.0, 6.0, 12.0, 24.0)
_HIGHEST: Final = 0.95

Suspicions = tuple[float, ...]


def alternatives(limit: float) -> tuple[float, ...]:
    """The rates above the limit that are looked for."""
    return tuple(factor * limit for factor in _FACTORS if factor * limit < _HIGHEST) or ((1 + limit) / 2,)


def step(rate: float, limit: float, *, wrong: bool) -> float:
    """The logarithm of how much likelier one observation is at the rate than at the limit."""
    return math.log(rate / limit) if wrong else math.log1p(-rate) - math.log1p(-limit)


def observed(suspicions: Suspicions, limit: float, *, wrong: bool) -> Suspicions:
    """The logarithms of the evidence for each alternative, after one more observation; none before the first."""
    rates = alternatives(limit)
    before = suspicions or (0.0,) * len(rates)
    return tuple(
        max(0.0, log_evidence) + step(rate, limit, wrong=wrong)
        for log_evidence, rate in zip(before, rates, strict=True)
    )


def evidence(suspicions: Suspicions) -> float:
    """The evidence for a rise, whatever its size; 1 says nothing."""
    return math.fsum(map(math.exp, suspicions)) / len(suspicions) if suspicions else 1.0
