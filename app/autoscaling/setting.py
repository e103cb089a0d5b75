"""How eager a policy is: the four numbers that tuning chooses between."""

from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """Over which window the rate is taken, how far a rise is drawn out, how many deviations are kept free, and how long
    a peak is remembered; `hold_s` None: as long as the silences of this load usually last.

    `deviations` None: the mean of ten minutes plays no part, only the window does.
    """

    window_s: int = 40
    trend_gain: float = 1.0
    deviations: float | None = 1.5
    hold_s: int | None = 90


DEFAULT = Setting()
CANDIDATES = tuple(
    Setting(window_s=window_s, trend_gain=gain, deviations=deviations, hold_s=hold_s)
    for window_s, gain, deviations, hold_s in product(
        (20, 40, 90), (0.0, 1.0), (None, 0.0, 0.75, 1.5, 2.5), (30, 90, 300, None)
    )
)
