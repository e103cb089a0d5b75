"""What is reported of the phases: one row for each number, in tables, with the targets that were set for ours."""

import math
from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One number of a phase: its title, how it is shown, which way is better, and what ours shall reach.

    `target` bounds the number itself, `share_of_best` bounds it by a share of the best peer's.
    """

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
    """A table: a phase and its rows."""

    phase: str
    title: str
    rows: tuple[Row, ...]


def _faults(prefix: str = "") -> tuple[Row, ...]:
    return (
        Row(metric=f"{prefix}failed", title="failed", unit="requests", digits=0),
        Row(metric=f"{prefix}wrong", title="wrong", unit="requests", digits=0),
    )


def _closed(clients: int, *, target: float | None = None) -> tuple[Row, ...]:
    name, where = f"c{clients}.", f"{clients} client{'s' if clients > 1 else ''}"
    return (
        Row(metric=f"{name}of_bare", title=f"{where}: throughput / bare batch of 8", better="higher", target=target),
        Row(metric=f"{name}per_s", title=f"{where}: throughput", unit="pictures/s", digits=1, better="higher"),
        Row(metric=f"{name}p50_ms", title=f"{where}: latency p50", unit="ms", digits=0, better="lower"),
        Row(metric=f"{name}p99_ms", title=f"{where}: latency p99", unit="ms", digits=0, better="lower"),
        Row(metric=f"{name}cpu_ms", title=f"{where}: CPU per picture", unit="ms", digits=1, better="lower"),
        Row(metric=f"{name}cpu_of_bare", title=f"{where}: CPU / bare batch of 8", better="lower"),
        Row(metric=f"{name}mean_batch", title=f"{where}: mean batch", unit="pictures"),
        *_faults(name),
    )


def _open(load: float, *, share_of_best: float | None = None) -> tuple[Row, ...]:
    name, where = f"at {load}.", f"{load} of bare"
    p99 = Row(
        metric=f"{name}p99_ms", title=f"{where}: latency p99", unit="ms", digits=0, better="lower",
        share_of_best=share_of_best,
    )  # fmt: skip
    return (
        Row(metric=f"{name}p50_ms", title=f"{where}: latency p50", unit="ms", digits=0, better="lower"),
        p99,
        Row(metric=f"{name}within 2", title=f"{where}: within 2x of alone", unit="share", better="higher"),
        Row(metric=f"{name}within 4", title=f"{where}: within 4x of alone", unit="share", better="higher"),
        Row(metric=f"{name}cpu_ms", title=f"{where}: CPU per picture", unit="ms", digits=1, better="lower"),
        Row(metric=f"{name}mean_batch", title=f"{where}: mean batch", unit="pictures"),
        *_faults(name),
    )


def _hits(clients: int) -> tuple[Row, ...]:
    name, where = f"c{clients}.", f"{clients} client{'s' if clients > 1 else ''}"
    return (
        Row(metric=f"{name}p50_ms", title=f"{where}: latency p50", unit="ms", better="lower"),
        Row(metric=f"{name}p99_ms", title=f"{where}: latency p99", unit="ms", better="lower"),
        Row(metric=f"{name}per_s", title=f"{where}: hits", unit="1/s", digits=0, better="higher"),
        Row(metric=f"{name}cpu_ms", title=f"{where}: CPU per hit", unit="ms", better="lower", target=1.5),
        *_faults(name),
    )


SECTIONS = (
    Section("verify", "Are the pictures those of the bare loop, byte for byte?", (
        Row(metric="identical", title="identical", unit="share", better="higher", target=1.0),
        *_faults(),
    )),
    Section("pairs", "One client: bare and server in turns, the same pictures", (
        Row(metric="bare_ms", title="bare, p50", unit="ms", digits=1),
        Row(metric="server_ms", title="server, p50", unit="ms", digits=1, better="lower"),
        Row(metric="overhead_ms", title="difference, p50 of pairs", unit="ms", digits=1, better="lower"),
        Row(metric="ratio", title="server / bare", better="lower"),
        Row(metric="net_ratio", title="server / bare, net of HTTP", better="lower", target=1.05),
        *_faults(),
    )),
    Section("closed", "Closed loop, 64 x 64, 4 steps", (
        *_closed(1), *_closed(8, target=0.95), *_closed(32, target=0.95),
    )),
    Section("open", "Poisson arrivals, 64 x 64, 4 steps", (*_open(0.5), *_open(0.8), *_open(1.1))),
    Section("steps", "Mixed steps: 64 x 64; 1, 2, 4 and 8 steps", (*_closed(32), *_open(0.8, share_of_best=0.5))),
    Section("shapes", "Mixed shapes: 64 x 64, 80 x 64, 64 x 80, 96 x 64, 64 x 96", (*_closed(32), *_open(0.8))),
    Section("hits", "Exact hits", (*_hits(1), *_hits(16))),
    Section("half", "Half hits, half misses, 8 clients", (
        Row(metric="hit.p50_ms", title="hit: latency p50", unit="ms", better="lower"),
        Row(metric="hit.p99_ms", title="hit: latency p99", unit="ms", better="lower"),
        Row(metric="hit.of_idle", title="hit: p50 / p50 on an idle server", better="lower"),
        Row(metric="miss.of_bare", title="miss: throughput / bare batch of 8", better="higher"),
        Row(metric="miss.p50_ms", title="miss: latency p50", unit="ms", digits=0, better="lower"),
        *_faults(),
    )),
    Section("storm", "Cancel storm: 8 clients stay, 8 hang up and come back", (
        Row(metric="stayed_of_bare", title="those who stay: throughput / bare batch of 8", better="higher"),
        Row(metric="p50_ms", title="those who stay: latency p50", unit="ms", digits=0, better="lower"),
        Row(metric="p99_ms", title="those who stay: latency p99", unit="ms", digits=0, better="lower"),
        Row(metric="hung_up", title="requests hung up on", unit="requests", digits=0),
        Row(metric="wasted", title="steps drawn for nobody", unit="share", better="lower"),
        Row(metric="wasted_s", title="device time for nobody", unit="s", better="lower"),
        Row(metric="cpu_ms", title="CPU per picture delivered", unit="ms", digits=1, better="lower"),
        Row(metric="recovery_s", title="until calm again", unit="s", better="lower"),
        *_faults(),
    )),
)  # fmt: skip
