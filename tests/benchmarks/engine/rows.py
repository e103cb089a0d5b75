"""What is reported of the phases: one row for each number, in tables, with the targets that were set for ours."""

import math
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

Better = Literal["higher", "lower"]
FAULTS = ("failed", "wrong")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number of a phase: its title, how it is shown, which way is better, and what ours shall reach.

    `target` bounds the number itself, `share_of_best` bounds it by a share of the best peer's.
    """

    phase: str
    metric: str
    title: str
    unit: str = ""
    digits: int = 2
    better: Better | None = None
    target: float | None = None
    share_of_best: float | None = None

    def shown(self, value: float) -> str:
        """The number as text; a dash when there is none."""
        return "-" if math.isnan(value) else f"{value:.{self.digits}f}"

    def is_better(self, one: float, other: float) -> bool:
        """Whether `one` is at least as good as `other`."""
        return one >= other if self.better == "higher" else one <= other


@dataclass(frozen=True, slots=True)
class Section:
    """A table."""

    title: str
    rows: tuple[Row, ...]


def _faults(phase: str, where: str = "", prefix: str = "") -> tuple[Row, ...]:
    titles = {name: f"{where}: {name}" if where else name for name in FAULTS}
    return tuple(
        Row(phase=phase, metric=prefix + name, title=title, unit="requests", digits=0) for name, title in titles.items()
    )


def _clients(clients: int) -> str:
    return f"{clients} client{'s' if clients > 1 else ''}"


def _closed(mix: str, clients: int, *, target: float | None = None) -> tuple[Row, ...]:
    phase, where = f"{mix}-c{clients}", _clients(clients)

    def row(metric: str, what: str, unit: str = "", digits: int = 2, better: Better | None = "lower") -> Row:
        return Row(phase=phase, metric=metric, title=f"{where}: {what}", unit=unit, digits=digits, better=better)

    return (
        replace(row("of_bare", "throughput / bare batch of 8", better="higher"), target=target),
        row("per_s", "throughput", "pictures/s", 1, "higher"),
        row("p50_ms", "latency p50", "ms", 0),
        row("p99_ms", "latency p99", "ms", 0),
        row("cpu_ms", "CPU per picture", "ms", 1),
        row("cpu_of_bare", "CPU / bare batch of 8"),
        row("mean_batch", "mean batch", "pictures", better=None),
        *_faults(phase, where),
    )


def _arriving(mix: str, load: float, *, share_of_best: float | None = None) -> tuple[Row, ...]:
    phase, where = f"{mix}-{load}", f"at {load} of bare"

    def row(metric: str, what: str, unit: str = "", digits: int = 2, better: Better | None = "lower") -> Row:
        return Row(phase=phase, metric=metric, title=f"{where}: {what}", unit=unit, digits=digits, better=better)

    return (
        row("p50_ms", "latency p50", "ms", 0),
        replace(row("p99_ms", "latency p99", "ms", 0), share_of_best=share_of_best),
        row("within 2", "within 2x of alone", "share", better="higher"),
        row("within 4", "within 4x of alone", "share", better="higher"),
        row("cpu_ms", "CPU per picture", "ms", 1),
        row("mean_batch", "mean batch", "pictures", better=None),
        *_faults(phase, where),
    )


def _hits(clients: int) -> tuple[Row, ...]:
    prefix, where = f"c{clients}.", _clients(clients)

    def row(metric: str, what: str, unit: str, digits: int = 2, better: Better = "lower") -> Row:
        title = f"{where}: {what}"
        return Row(phase="hits", metric=prefix + metric, title=title, unit=unit, digits=digits, better=better)

    return (
        row("p50_ms", "latency p50", "ms"),
        row("p99_ms", "latency p99", "ms"),
        row("per_s", "hits", "1/s", 0, "higher"),
        replace(row("cpu_ms", "CPU per hit", "ms"), target=1.5),
        *_faults("hits", where, prefix),
    )


def _pairs() -> tuple[Row, ...]:
    row = partial(Row, phase="pairs", better="lower")
    return (
        row(metric="bare_ms", title="bare, p50", unit="ms", digits=1, better=None),
        row(metric="server_ms", title="server, p50", unit="ms", digits=1),
        row(metric="overhead_ms", title="difference, p50 of pairs", unit="ms", digits=1),
        row(metric="ratio", title="server / bare"),
        row(metric="net_ratio", title="server / bare, net of HTTP", target=1.05),
        *_faults("pairs"),
    )


def _half() -> tuple[Row, ...]:
    row = partial(Row, phase="half", better="lower")
    return (
        row(metric="hit.p50_ms", title="hit: latency p50", unit="ms"),
        row(metric="hit.p99_ms", title="hit: latency p99", unit="ms"),
        row(metric="hit.of_idle", title="hit: p50 / p50 on an idle server"),
        row(metric="miss.of_bare", title="miss: throughput / bare batch of 8", better="higher"),
        row(metric="miss.p50_ms", title="miss: latency p50", unit="ms", digits=0),
        *_faults("half"),
    )


def _storm() -> tuple[Row, ...]:
    row = partial(Row, phase="storm", better="lower")
    return (
        row(metric="stayed_of_bare", title="those who stay: throughput / bare batch of 8", better="higher"),
        row(metric="p50_ms", title="those who stay: latency p50", unit="ms", digits=0),
        row(metric="p99_ms", title="those who stay: latency p99", unit="ms", digits=0),
        row(metric="hung_up", title="requests hung up on", unit="requests", digits=0, better=None),
        row(metric="wasted", title="steps drawn for nobody", unit="share"),
        row(metric="wasted_s", title="device time for nobody", unit="s"),
        row(metric="cpu_ms", title="CPU per picture delivered", unit="ms", digits=1),
        row(metric="recovery_s", title="until calm again", unit="s"),
        *_faults("storm"),
    )


SECTIONS = (
    Section(
        "Are the pictures those of the bare loop, byte for byte?",
        (
            Row(phase="verify", metric="identical", title="identical", unit="share", better="higher", target=1.0),
            *_faults("verify"),
        ),
    ),
    Section("One client: bare and server in turns, the same pictures", _pairs()),
    Section(
        "Closed loop, 64 x 64, 4 steps",
        (*_closed("uniform", 1), *_closed("uniform", 8, target=0.95), *_closed("uniform", 32, target=0.95)),
    ),
    Section(
        "Poisson arrivals, 64 x 64, 4 steps",
        (*_arriving("uniform", 0.5), *_arriving("uniform", 0.8), *_arriving("uniform", 1.1)),
    ),
    Section(
        "Mixed steps: 64 x 64; 1, 2, 4 and 8 steps",
        (*_closed("steps", 32), *_arriving("steps", 0.8, share_of_best=0.5)),
    ),
    Section(
        "Mixed shapes: 64 x 64, 80 x 64, 64 x 80, 96 x 64, 64 x 96; 4 steps",
        (*_closed("shapes", 32), *_arriving("shapes", 0.8)),
    ),
    Section("Exact hits; peers have a dictionary before all else, which validates nothing", (*_hits(1), *_hits(16))),
    Section("Half hits, half misses, 8 clients", _half()),
    Section("Cancel storm: 8 clients stay, 8 hang up and come back", _storm()),
)
