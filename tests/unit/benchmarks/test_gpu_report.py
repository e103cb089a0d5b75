"""What the GPU benchmark writes: every number, at once, wherever it is read."""

import io
import json
import math
from pathlib import Path

import pytest
from benchmarks.gpu.report import Report
from benchmarks.gpu.sheets import Cell, Sheet, markdown, plain, shown
from rich.console import Console

SHEET = Sheet(
    title="Steps", columns=("picture", "ms"), rows=(("512 x 512", 24.26), ("1024 x 1024", None)), notes=("Ok.",)
)


def report(folder: Path) -> Report:
    """A report with both files, on a screen that nobody sees."""
    screen = Console(file=io.StringIO(), width=100)
    return Report(screen, {"gpu": "none"}, json_path=folder / "a.json", markdown_path=folder / "a.md")


@pytest.mark.parametrize(
    ("cell", "words"),
    [(None, "-"), ("yes", "yes"), (8, "8"), (1234.5, "1234"), (24.26, "24.3"), (1.234, "1.23"), (0.0, "0.000"),
     (0.1234, "0.123"), (7.2e-7, "7.2e-07")],
)  # fmt: skip
def test_numbers_are_shown_to_about_three_digits(cell: Cell, words: str) -> None:
    """Words, counts and what is missing are shown as they are."""
    assert shown(cell) == words


def test_markdown_is_a_table_with_its_notes() -> None:
    """The title stands above it, the notes below."""
    assert markdown(SHEET).splitlines() == [
        "**Steps**", "", "| picture | ms |", "|---|--:|", "| 512 x 512 | 24.3 |", "| 1024 x 1024 | - |", "", "Ok.",
    ]  # fmt: skip


def test_programs_get_numbers_unrounded_and_no_infinities() -> None:
    """JSON has neither NaN nor infinity: they are null."""
    sheet = Sheet(title="Odd", columns=("a", "b", "c"), rows=((24.26, math.nan, math.inf),))
    assert plain(sheet)["rows"] == [[24.26, None, None]]


def test_files_are_complete_after_every_finding(tmp_path: Path) -> None:
    """A benchmark that is ended from outside leaves what it had found."""
    kept = report(tmp_path)
    kept.add(SHEET)
    kept.measured("steps", 12.3)
    found = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert found["machine"] == {"gpu": "none"}
    assert found["phases"] == {"steps": "measured in 12 s"}
    assert [sheet["title"] for sheet in found["sheets"]] == ["Steps"]
    assert "| 512 x 512 | 24.3 |" in (tmp_path / "a.md").read_text(encoding="utf-8")


def test_a_broken_phase_is_told_from_one_that_was_skipped(tmp_path: Path) -> None:
    """Only the first is a failure."""
    kept = report(tmp_path)
    kept.skipped("fp8", "no such GPU")
    assert not kept.has_failures
    kept.failed("steps", ValueError("broken"))
    assert kept.has_failures
    phases = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))["phases"]
    assert phases == {"fp8": "skipped: no such GPU", "steps": "failed: ValueError: broken"}
