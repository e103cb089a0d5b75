"""Replicas for where the load is going."""

from app.autoscaling.measure import SPAN_S, ArrivalWindow
from app.autoscaling.setting import Setting
from app.autoscaling.terms import Term

LONG_WINDOWS = 5


def trend_term(arrivals: ArrivalWindow, setting: Setting, *, throughput_per_s: float) -> Term:
    """The rate of a short window, plus `trend_gain` times what it exceeds the rate of a five times longer one by."""
    short_s, long_s = setting.window_s, min(SPAN_S, LONG_WINDOWS * setting.window_s)
    now_per_s, before_per_s = arrivals.rate_per_s(short_s), arrivals.rate_per_s(long_s)
    rise_per_s = max(0.0, now_per_s - before_per_s)
    why = f"{now_per_s:.1f}/s in {short_s} s, {before_per_s:.1f}/s in {long_s} s"
    return Term("trend", (now_per_s + setting.trend_gain * rise_per_s) / throughput_per_s, why)
