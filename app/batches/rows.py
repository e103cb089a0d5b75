"""A file of jobs, as rows: JSON lines, or CSV with a header."""

import csv
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import BadRequestError

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CSV = ".csv"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One job: the line where it begins, its name in the manifest, and the endpoint with its input.

    `is_text` says that every value is still the text of a CSV cell.
    """

    line: int
    row_id: str
    endpoint: str
    arguments: dict[str, Any]
    is_text: bool = False


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something wrong with the row that begins at a line."""

    line: int
    message: str


class FlawedRowsError(BadRequestError):
    """The file cannot be run as it stands; the detail has a line for every flaw."""

    def __init__(self, name: str, flaws: tuple[Flaw, ...]) -> None:
        lines = [f"{name}:{flaw.line}: {flaw.message}" for flaw in sorted(flaws, key=lambda flaw: flaw.line)]
        BadRequestError.__init__(self, "\n".join(["nothing was run, because of", *lines]))
        self.args = (name, flaws)
        self.flaws = flaws


def read_rows(path: Path, *, endpoint: str) -> tuple[list[Row], list[Flaw]]:
    """The rows of a file, which are CSV if it is named so, and what is wrong with those that are none."""
    return parse_rows(_text_of(path), endpoint=endpoint, is_csv=path.suffix.lower() == _CSV)


def parse_rows(text: str, *, endpoint: str, is_csv: bool) -> tuple[list[Row], list[Flaw]]:
    """The rows of a text, and what is wrong with those that are none; `endpoint` is for rows that name none.

    Values that are null, and empty cells, count as left out. A row without an `id` is named by its line.
    """
    found = _cells(text) if is_csv else _objects(text)
    rows: list[Row] = []
    flaws: list[Flaw] = []
    for line, values in found:
        row = values if isinstance(values, str) else _row(line, values, endpoint, is_text=is_csv)
        if isinstance(row, Row):
            rows.append(row)
        else:
            flaws.append(Flaw(line, row))
    return rows, flaws + list(_repeated(rows))


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadRequestError(f"{path.name}: not UTF-8 at byte {error.start}") from error


def _objects(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    for line, content in enumerate(text.split("\n"), start=1):
        if content.strip():
            yield line, _object(content)


def parse_json(content: str) -> Any:
    """The value, if it can travel as JSON again; raises ValueError."""
    try:
        value = json.loads(content)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except RecursionError as error:
        raise ValueError("it has too many levels") from error
    return value


def _object(content: str) -> dict[str, Any] | str:
    try:
        value = parse_json(content)
    except ValueError as error:
        return f"no JSON: {error}"
    return value if isinstance(value, dict) else "not a JSON object"


def _cells(text: str) -> Iterator[tuple[int, dict[str, Any] | str]]:
    reader = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    begins = 2
    try:
        for record in reader:
            extra = record.pop(None, None)  # where DictReader keeps what has no header
            yield begins, "more cells than the header has" if extra else {**record}
            begins = reader.line_num + 1
    except csv.Error as error:
        yield begins, f"no CSV: {error}"


def _row(line: int, values: dict[str, Any], endpoint: str, *, is_text: bool) -> Row | str:
    given = {name: value for name, value in values.items() if value is not None and not (is_text and value == "")}
    row_id, called = str(given.pop("id", f"line-{line:06}")), given.pop("endpoint", endpoint)
    if _ID.fullmatch(row_id) is None:
        return f"id {row_id!r} is not of 1 to 64 letters, digits, - and _"
    if not isinstance(called, str):
        return "endpoint is not text"
    return Row(line=line, row_id=row_id, endpoint=called, arguments=given, is_text=is_text)


def _repeated(rows: list[Row]) -> Iterator[Flaw]:
    first: dict[str, int] = {}
    for row in rows:
        # Some disks do not tell capitals, and the name of a picture is made of the id.
        line = first.setdefault(row.row_id.lower(), row.line)
        if line != row.line:
            yield Flaw(row.line, f"id {row.row_id!r} is that of line {line} already")
