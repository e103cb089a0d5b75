"""Replicas for the load of the last minutes, with room for its clumps."""

from app.autoscaling.measure import ArrivalWindow
from app.autoscaling.setting import Setting
from app.autoscaling.terms import Term


def load_term(arrivals: ArrivalWindow, setting: Setting, *, throughput_per_s: float) -> Term:
    """`(m + z √(D m)) / μ` over half minutes, D being the index of dispersion of their counts."""
    if setting.deviations is None:
        return Term("burst", 0.0)
    measured = arrivals.burstiness()
    rate_per_s = measured.mean_per_s + setting.deviations * measured.deviation_per_s
    why = f"m={measured.mean_per_s:.1f}/s, D={measured.dispersion:.1f}, z={setting.deviations:g}"
    return Term("burst", rate_per_s / throughput_per_s, why)
