"""A file of jobs, read as rows."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.batches.rows import Flaw, Row, read_rows

ENDPOINT = "fal-ai/flux/schnell"


def rows_of(folder: Path, text: str, suffix: str = ".jsonl") -> tuple[list[Row], list[Flaw]]:
    """What is read from a file with that content."""
    path = folder / f"jobs{suffix}"
    path.write_text(text, encoding="utf-8", newline="")
    return read_rows(path, endpoint=ENDPOINT)


def row(line: int, row_id: str, endpoint: str = ENDPOINT, *, is_text: bool = False, **arguments: Any) -> Row:
    """A row."""
    return Row(line=line, row_id=row_id, endpoint=endpoint, arguments=arguments, is_text=is_text)


def test_json_lines(tmp_path: Path) -> None:
    """Each line is an endpoint's input; `id` and `endpoint` are ours, empty lines and null values nothing."""
    text = '{"prompt": "a"}\n\n{"id": "second", "endpoint": "a/b", "prompt": "é", "seed": null}\r\n'

    assert rows_of(tmp_path, text) == ([row(1, "line-000001", prompt="a"), row(3, "second", "a/b", prompt="é")], [])


def test_csv(tmp_path: Path) -> None:
    """Each record is an input whose cells are still text; empty cells are left out, and lines are the file's own."""
    text = '\ufeffid,prompt,seed\r\na,"two\nlines",\r\n,x,7\r\n'
    first = row(2, "a", is_text=True, prompt="two\nlines")

    assert rows_of(tmp_path, text, ".csv") == ([first, row(4, "line-000004", is_text=True, prompt="x", seed="7")], [])


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("{", "no JSON"),
        ('{"seed": NaN}', "no JSON"),
        ('{"prompt": "\\ud800"}', "no JSON"),
        ("[]", "not a JSON object"),
        ('{"id": "a/b"}', "letters, digits"),
        ('{"id": ""}', "letters, digits"),
        ('{"endpoint": 3}', "endpoint is not text"),
        ('{"id": "FIRST"}', "that of line 1 already"),
    ],
)
def test_flaws_have_their_lines(tmp_path: Path, line: str, words: str) -> None:
    """What is wrong with a line is told with its number, and the others are read nevertheless."""
    rows, flaws = rows_of(tmp_path, f'{{"id": "first"}}\n\n{line}\n{{"id": "last"}}')

    assert [flaw.line for flaw in flaws] == [3]
    assert words in flaws[0].message
    assert {"first", "last"} <= {row.row_id for row in rows}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [("prompt\na\nb,c\n", 3, "more cells"), ('prompt\na\n"b"c\n', 3, "no CSV"), ('prompt\n"b', 2, "no CSV")],
)
def test_flaws_of_csv(tmp_path: Path, text: str, line: int, words: str) -> None:
    """A record that does not fit its header, or ends nowhere, is told with its line."""
    _, (flaw,) = rows_of(tmp_path, text, ".csv")

    assert flaw.line == line
    assert words in flaw.message


@given(text=st.text(max_size=60), suffix=st.sampled_from([".csv", ".jsonl"]))
def test_any_text_is_rows_and_flaws(tmp_path_factory: pytest.TempPathFactory, text: str, suffix: str) -> None:
    """Whatever a file says, it is read without an error."""
    rows, flaws = rows_of(tmp_path_factory.mktemp("any"), text, suffix)

    assert len({row.row_id.lower() for row in rows}) + sum("already" in flaw.message for flaw in flaws) == len(rows)
