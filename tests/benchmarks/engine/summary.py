"""Medians and ranges over the repetitions, and who is ahead."""

import math
import statistics
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from benchmarks.engine.rows import SECTIONS, Row
from benchmarks.engine.session import Record


@dataclass(frozen=True, slots=True)
class Spread:
    """The median of what the repetitions found, and their extremes."""

    median: float
    least: float
    most: float

    def overlaps(self, other: "Spread") -> bool:
        """Whether the ranges meet, so that the difference may be chance."""
        return self.least <= other.most and other.least <= self.most


NOTHING = Spread(math.nan, math.nan, math.nan)


class Summary:
    """What the records say, by phase, metric and server."""

    def __init__(self, records: Iterable[Record]) -> None:
        found: dict[tuple[str, str, str], list[float]] = defaultdict(list)
        for record in records:
            for metric, value in record.metrics.items():
                if not math.isnan(value):
                    found[record.phase, metric, record.server].append(value)
        self._spreads = {
            place: Spread(statistics.median(values), min(values), max(values)) for place, values in found.items()
        }

    def spread(self, row: Row, server: str) -> Spread:
        """The spread, of nothing where nothing was found."""
        return self._spreads.get((row.phase, row.metric, server), NOTHING)

    def metrics(self, phase: str, server: str) -> dict[str, Spread]:
        """All that was found of a server in a phase."""
        return {metric: each for (where, metric, who), each in self._spreads.items() if (where, who) == (phase, server)}

    def best(self, row: Row, servers: Sequence[str]) -> tuple[str, Spread] | None:
        """The server with the best median, if any has one."""
        spreads = {name: self.spread(row, name) for name in servers}
        known = [(name, spread) for name, spread in spreads.items() if not math.isnan(spread.median)]
        choose = max if row.better == "higher" else min
        return choose(known, key=lambda each: each[1].median, default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How ours stands against the best peer in one row, and whether it reaches what was asked of it."""

    section: str
    row: Row
    ours: Spread
    best_peer: str
    best: Spread
    goal: float | None

    @property
    def is_level(self) -> bool:
        """Whether both medians are the same."""
        return self.ours.median == self.best.median

    @property
    def is_ahead(self) -> bool:
        """Whether our median is at least as good."""
        return self.row.is_better(self.ours.median, self.best.median)

    @property
    def is_certain(self) -> bool:
        """Whether the ranges are apart."""
        return not self.ours.overlaps(self.best)

    @property
    def reaches_goal(self) -> bool | None:
        """Whether our median reaches the goal; None where none was set."""
        return None if self.goal is None else self.row.is_better(self.ours.median, self.goal)

    @property
    def factor(self) -> float:
        """How many times better ours is; less than one when it is worse."""
        ours, best = self.ours.median, self.best.median
        above, below = (ours, best) if self.row.better == "higher" else (best, ours)
        return above / below if below > 0 else math.nan


def verdicts(summary: Summary, *, ours: str, peers: Sequence[str]) -> list[Verdict]:
    """One verdict for each row in which there is a better and a worse, and both sides have a number."""
    found = []
    for section in SECTIONS:
        for row in section.rows:
            own = summary.spread(row, ours)
            best = summary.best(row, peers) if row.better else None
            if best is None or math.isnan(own.median):
                continue
            goal = row.target if row.share_of_best is None else row.share_of_best * best[1].median
            found.append(
                Verdict(section=section.title, row=row, ours=own, best_peer=best[0], best=best[1], goal=goal)
            )  # fmt: skip
    return found
