"""How many pairs of prompts the canonical form takes for the same: of those that must not share a picture, and may.

`--pairs` names a file of JSON lines with the fields `a`, `b`, `label` (1: may share a picture, 0: must not) and
`category`. Without one, variations of the built-in model's own prompts are made, whose demands decide.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from app.builtin.grammar import phrase, sample_demand
from app.cache.canonical import canonical_form

MADE_PAIRS = 3000


@dataclass(frozen=True, slots=True)
class Pair:
    """Two prompts, and whether one picture may serve both."""

    one: str
    other: str
    may_share: bool
    category: str


def read_pairs(path: Path) -> Iterator[Pair]:
    """The pairs of a file."""
    for line in path.read_text(encoding="utf-8").splitlines():
        fields = json.loads(line)
        yield Pair(fields["a"], fields["b"], bool(fields["label"]), fields["category"])


def made_pairs() -> Iterator[Pair]:
    """Prompts of the built-in model: another wording of the same demand, or a wording of another."""
    rng = np.random.default_rng(0)
    for number in range(MADE_PAIRS):
        demand = sample_demand(rng)
        other = demand if number % 2 else sample_demand(rng, demand.kind)
        yield Pair(phrase(demand, rng), phrase(other, rng), demand == other, f"built-in: {demand.kind}")


def main() -> None:
    """Count and print."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--pairs", type=Path, help="JSON lines of labelled pairs")
    path = arguments.parse_args().pairs
    accepted: dict[tuple[bool, str], list[bool]] = defaultdict(list)
    wrong = []
    for pair in read_pairs(path) if path else made_pairs():
        same = canonical_form(pair.one) == canonical_form(pair.other)
        accepted[pair.may_share, pair.category].append(same)
        if same and not pair.may_share:
            wrong.append(pair)
    _print(accepted, wrong)


def _print(accepted: dict[tuple[bool, str], list[bool]], wrong: list[Pair]) -> None:
    table = Table("may share", "kind", "pairs", "accepted", "share", title="Pairs taken for the same")
    for (may_share, category), outcomes in sorted(accepted.items()):
        share = sum(outcomes) / len(outcomes)
        table.add_row("yes" if may_share else "no", category, str(len(outcomes)), str(sum(outcomes)), f"{share:.3f}")
    console = Console(width=120)
    console.print(table)
    may = [outcome for (may_share, _), outcomes in accepted.items() if may_share for outcome in outcomes]
    must_not = sum(len(outcomes) for (may_share, _), outcomes in accepted.items() if not may_share)
    console.print(f"must not share, accepted: {len(wrong)} of {must_not}")
    console.print(f"may share, accepted: {sum(may)} of {len(may)} ({sum(may) / max(1, len(may)):.3f})")
    for pair in wrong:
        console.print(f"wrong: {pair.one!r} = {pair.other!r}", markup=False)


if __name__ == "__main__":
    main()
