"""Tables for the screen and for the README, verdicts, and everything as JSON."""

import json
import math
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.engine.rows import FAULTS, SECTIONS, Row, Section
from benchmarks.engine.session import BARE, CLIENT, Session
from benchmarks.engine.summary import Spread, Summary, Verdict
from rich.console import Console
from rich.table import Table

WIDTH = 170


def print_report(console: Console, summary: Summary, *, servers: Sequence[str], found: Sequence[Verdict]) -> None:
    """All tables, then the verdicts."""
    for name, title in ((BARE, "The bare loop"), (CLIENT, "The client, where nothing is drawn")):
        if metrics := summary.metrics(name, name):
            console.print(_plain_table(title, metrics))
    for section in SECTIONS:
        if _rows(section, summary, servers):
            console.print(_table(section, summary, servers))
    for verdict in found:
        console.print(f"[{_colour(verdict)}]verdict: {sentence(verdict)}")


def sentence(verdict: Verdict) -> str:
    """The verdict in words."""
    row = verdict.row
    state = "level" if verdict.is_level else "ahead" if verdict.is_ahead else "behind"
    doubt = "" if verdict.is_certain else ", ranges overlap"
    factor = "" if verdict.is_level or math.isnan(verdict.factor) else f" ({verdict.factor:.2f}x{doubt})"
    goal = ""
    if verdict.goal is not None:
        goal = f"; goal {row.shown(verdict.goal)} {'reached' if verdict.reaches_goal else 'MISSED'}"
    numbers = f"{row.shown(verdict.ours.median)} against {row.shown(verdict.best.median)} {row.unit}".rstrip()
    return f"{verdict.section} | {row.title}: {numbers} of {verdict.best_peer}: {state}{factor}{goal}"


def markdown(summary: Summary, *, servers: Sequence[str], found: Sequence[Verdict]) -> str:
    """The same tables in Markdown, a section each, the best number of each row in bold."""
    parts = [_markdown(section, summary, servers) for section in SECTIONS if _rows(section, summary, servers)]
    behind = [f"- {sentence(verdict)}" for verdict in found if not verdict.is_ahead or verdict.reaches_goal is False]
    return "\n".join([*parts, "Behind the best peer, or short of the goal:\n", *(behind or ["- nowhere"]), ""])


def write_json(path: Path, session: Session, *, settings: dict[str, Any], found: Sequence[Verdict]) -> None:
    """Every number of every turn, with what it was measured on."""
    document = {
        "machine": machine(),
        "settings": settings,
        "extent": asdict(session.extent),
        "restarts": session.restarts,
        "records": [asdict(record) for record in session.records],
        "verdicts": [sentence(verdict) for verdict in found],
    }
    path.write_text(json.dumps(_finite(document), indent=1) + "\n", encoding="utf-8")


def machine() -> dict[str, Any]:
    """What the numbers hold for."""
    packages = ("torch", "diffusers", "transformers", "fastapi", "uvicorn", "ray")
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": platform.release(),
        **{name: version(name) for name in packages},
    }


def _processor() -> str:
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown")


def _rows(section: Section, summary: Summary, servers: Sequence[str]) -> list[Row]:
    """The rows with a number, without faults where there were none."""
    found = []
    for row in section.rows:
        medians = [summary.spread(row, name).most for name in servers]
        is_fault = row.metric.endswith(FAULTS)
        if any(not math.isnan(value) and (value > 0 or not is_fault) for value in medians):
            found.append(row)
    return found


def _table(section: Section, summary: Summary, servers: Sequence[str]) -> Table:
    table = Table(title=section.title, title_justify="left")
    table.add_column("median (least-most)")
    table.add_column("unit")
    for name in servers:
        table.add_column(name, justify="right")
    for row in _rows(section, summary, servers):
        table.add_row(row.title, row.unit, *_cells(row, summary, servers, bold="[bold]{}[/bold]"))
    return table


def _cells(row: Row, summary: Summary, servers: Sequence[str], *, bold: str) -> list[str]:
    best = summary.best(row, servers) if row.better else None
    spreads = {name: summary.spread(row, name) for name in servers}
    return [
        bold.format(_cell(row, spread)) if best and best[0] == name else _cell(row, spread)
        for name, spread in spreads.items()
    ]


def _cell(row: Row, spread: Spread) -> str:
    median = row.shown(spread.median)
    if math.isnan(spread.median) or spread.least == spread.most:
        return median
    return f"{median} ({row.shown(spread.least)}-{row.shown(spread.most)})"


def _markdown(section: Section, summary: Summary, servers: Sequence[str]) -> str:
    lines = [
        f"**{section.title}**",
        "",
        f"| median (least-most) | {' | '.join(servers)} |",
        "|---" + "|--:" * len(servers) + "|",
    ]
    for row in _rows(section, summary, servers):
        title = f"{row.title}, {row.unit}" if row.unit else row.title
        lines.append(f"| {title} | {' | '.join(_cells(row, summary, servers, bold='**{}**'))} |")
    return "\n".join([*lines, ""])


def _plain_table(title: str, metrics: dict[str, Spread]) -> Table:
    table = Table("what", "median", "least", "most", title=title, title_justify="left")
    for name, spread in metrics.items():
        table.add_row(name, *(f"{value:.3g}" for value in (spread.median, spread.least, spread.most)))
    return table


def _colour(verdict: Verdict) -> str:
    if not verdict.is_ahead or verdict.reaches_goal is False:
        return "red"
    return "green" if verdict.is_certain else "yellow"


def _finite(value: Any) -> Any:
    """The value with null for what is not a number, as JSON has none."""
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
