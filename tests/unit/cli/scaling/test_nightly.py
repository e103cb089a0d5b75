"""`darkroom scaling replay`, up to the process that does the work."""

import sys
from datetime import date

import pytest

from app.cli.scaling.nightly import day_of, run
from app.errors import ConfigurationError

TODAY = date(2026, 11, 24)


def test_yesterday_is_meant() -> None:
    """Without a day it is yesterday's."""
    assert day_of(None, today=TODAY) == date(2026, 11, 23)
    assert day_of("2026-11-01", today=TODAY) == date(2026, 11, 1)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("today", "'today' is no day; write it as 2026-11-24"), ("2026-11-24", "2026-11-24 is not over yet")],
    ids=["no day", "today"],
)
def test_other_days_are_refused(text: str, complaint: str) -> None:
    """What is no day, or is not over, is refused with the reason."""
    with pytest.raises(ConfigurationError, match=complaint):
        day_of(text, today=TODAY)


def test_what_the_process_says_is_returned() -> None:
    """What the process prints is the answer, and its arguments reach it."""
    echo = (sys.executable, "-c", "import sys; print(sys.argv[1:], end='')")

    assert run(echo, ["sdxl", "--day"]) == "['sdxl', '--day']"


def test_its_last_words_are_the_reason() -> None:
    """A process that fails is an error with the last line that it wrote."""
    failing = (sys.executable, "-c", "import sys; sys.exit('a\\nError: nothing is known of sdxl')")
    with pytest.raises(ConfigurationError) as raised:
        run(failing, [])

    assert raised.value.detail == "nothing is known of sdxl"
