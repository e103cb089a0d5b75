"""What a number of audits says about a rate, when it is looked at once."""

import math

from scipy.special import betaincinv


def upper_bound(errors: int, audits: int, *, alpha: float) -> float:
    """The rate that the true one exceeds with a probability of at most `alpha`, after `errors` in `audits`.

    The one-sided bound of C. J. Clopper and E. S. Pearson, "The use of confidence or fiducial limits illustrated in the
    case of the binomial", Biometrika 26 (1934): exact for a number of audits fixed beforehand. 1 without audits.
    """
    if errors >= audits:
        return 1.0
    return float(betaincinv(errors + 1, audits - errors, 1 - alpha))


def audits_without_error(limit: float, *, alpha: float) -> int:
    """How many audits without an error bring the upper bound down to `limit`: 299 for 1 % and 59 for 5 % at 0.05."""
    return math.ceil(math.log(alpha) / math.log1p(-limit))
