"""What a growing number of audits says about a rate, however often it is looked at.

It rests on a mixture of likelihood ratios, which is a martingale under the rate in the denominator, and on Ville's
inequality, which bounds the probability that such a martingale ever exceeds 1 / alpha by alpha: H. Robbins,
"Statistical methods related to the law of the iterated logarithm", Ann. Math. Statist. 41 (1970); S. R. Howard,
A. Ramdas, J. McAuliffe and J. Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", Ann. Statist.
49 (2021).
"""

import math
from typing import Final

from scipy.optimize import brentq
from scipy.special import betaln

# The weights of the rates that are mixed: a beta distribution with most of its weight on small ones.
_ALPHA: Final = 1.0
_BETA: Final = 9.0
_LEAST: Final = 1e-12


def confidence_sequence(errors: int, audits: int, *, alpha: float) -> tuple[float, float]:
    """The interval that contains the rate at every number of audits at once, with probability 1 - `alpha`."""
    if audits == 0:
        return 0.0, 1.0
    mean = min(max(errors / audits, _LEAST), 1 - _LEAST)

    def beyond(rate: float) -> float:
        return _log_evidence_against(rate, errors, audits) + math.log(alpha)

    low = float(brentq(beyond, _LEAST, mean)) if beyond(_LEAST) > 0 else 0.0
    high = float(brentq(beyond, mean, 1 - _LEAST)) if beyond(1 - _LEAST) > 0 else 1.0
    return low, high


def _log_evidence_against(rate: float, errors: int, audits: int) -> float:
    right = audits - errors
    mixed = float(betaln(_ALPHA + errors, _BETA + right) - betaln(_ALPHA, _BETA))
    return mixed - errors * math.log(rate) - right * math.log1p(-rate)
