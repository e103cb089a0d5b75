"""The figures of a replay as Markdown."""

from collections.abc import Sequence

from app.simulation.replay import Outcome
from app.simulation.replay.outcome import DRAWN, RESUMED, interval, wrong_among

LEVELS = ("exact", "canonical", "similar", "joined", RESUMED)
HEADINGS = (
    "policy", "GPU-s saved", "mean s", "p99 s", *LEVELS, "judged wrong per hit (95 %)", "judged right, all",
    "same again", "MB",
)  # fmt: skip


def table(outcomes: Sequence[Outcome]) -> str:
    """A line per policy; what is saved is compared with the first, which has no cache."""
    lines = [_line(HEADINGS), _line(["---", *["--:"] * (len(HEADINGS) - 1)])]
    return "\n".join([*lines, *(_line(_cells(outcome, outcomes[0].device_s)) for outcome in outcomes)])


def judge_errors(outcome: Outcome) -> str:
    """How often freshly drawn pictures are judged wrong, which is the judge's and the model's own rate."""
    return _rate(*wrong_among(outcome.of(DRAWN)))


def resumed_errors(outcome: Outcome) -> str:
    """How often pictures that began late are judged wrong."""
    return _rate(*wrong_among(outcome.of(RESUMED)))


def wrong_by_level(outcome: Outcome) -> str:
    """The same for every level that answered."""
    levels = [level for level in (*LEVELS, DRAWN) if outcome.levels[level]]
    return "; ".join(f"{level} {_rate(*wrong_among(outcome.of(level)))}" for level in levels)


def _cells(outcome: Outcome, without_s: float) -> list[str]:
    mean_s, p99_s = outcome.latencies_s
    levels = [str(outcome.levels[level] or "") for level in LEVELS]
    wrong, served = wrong_among(outcome.served)
    return [
        outcome.policy,
        f"{1 - outcome.device_s / without_s:.1%}",
        f"{mean_s:.2f}",
        f"{p99_s:.1f}",
        *levels,
        _rate(*wrong_among(outcome.hits)),
        f"{1 - wrong / served:.2%}",
        str(outcome.same_again or ""),
        f"{outcome.most_bytes / 1e6:.1f}",
    ]


def _rate(wrong: int, count: int) -> str:
    if not count:
        return ""
    low, high = interval(wrong, count)
    return f"{wrong}/{count} = {wrong / count:.2%} ({low:.2%} to {high:.2%})"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
