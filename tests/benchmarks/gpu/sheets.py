"""A table of findings, and its forms: for the screen, for the README, for programs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.table import Table

Cell = str | int | float | None
"""None: not measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Rows of findings under a title; notes are sentences about them."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    notes: Sequence[str] = ()


def rich_table(sheet: Sheet) -> Table:
    """The rows for the screen, without title and notes."""
    table = Table()
    for number, column in enumerate(sheet.columns):
        table.add_column(column, justify="right" if number else "left")
    for row in sheet.rows:
        table.add_row(*map(shown, row))
    return table


def markdown(sheet: Sheet) -> str:
    """For the README: title, table, notes."""
    lines = [f"**{sheet.title}**", "", _line(sheet.columns), "|---" + "|--:" * (len(sheet.columns) - 1) + "|"]
    lines += [_line(list(map(shown, row))) for row in sheet.rows]
    return "\n".join([*lines, "", *(f"{note}\n" for note in sheet.notes)])


def plain(sheet: Sheet) -> dict[str, Any]:
    """For programs: unrounded, with null for what was not measured or is no number."""
    rows = [[_finite(cell) for cell in row] for row in sheet.rows]
    return {"title": sheet.title, "columns": list(sheet.columns), "rows": rows, "notes": list(sheet.notes)}


def shown(cell: Cell) -> str:
    """Words as they are, numbers to about three digits."""
    if cell is None:
        return "-"
    if not isinstance(cell, float):
        return str(cell)
    if 0 < abs(cell) < 0.001:
        return f"{cell:.1e}"
    digits = 0 if abs(cell) >= 100 else 1 if abs(cell) >= 10 else 2 if abs(cell) >= 1 else 3
    return f"{cell:.{digits}f}"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _finite(cell: Cell) -> Cell:
    return None if isinstance(cell, float) and not math.isfinite(cell) else cell
