"""When the last replica goes, weighed against the cold start that it spares whoever comes next."""

from collections.abc import Sequence

import numpy as np

_FEWEST = 5
_MARGIN = 1.1


def idle_to_zero_s(silences_s: Sequence[float], *, penalty_s: float, longest_s: float) -> float:
    """How long an idle replica is kept for idling and cold starts together to have cost least, at most `longest_s`.

    A cold start that somebody waits for is worth `penalty_s` of an idle replica. While few silences are known, it is
    kept for `longest_s`. This is the ski rental problem with the distribution known (Karlin et al., 1990).
    """
    if len(silences_s) < _FEWEST:
        return longest_s
    silences = np.sort(np.asarray(silences_s, dtype=np.float64))
    limits = np.concatenate([[0.0], _MARGIN * silences])
    idle_s = np.minimum(silences[None, :], limits[:, None]).mean(axis=1)
    surprised = (silences[None, :] > limits[:, None]).mean(axis=1)
    return float(min(limits[np.argmin(idle_s + penalty_s * surprised)], longest_s))
