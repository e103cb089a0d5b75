"""`darkroom cache explain`: what the cache makes of a prompt."""

import pytest
from typer.testing import CliRunner

from app.cache.canonical import differences
from app.cli.main import command_line


def explain(*prompts: str) -> list[str]:
    """What the command prints, line by line."""
    result = CliRunner().invoke(command_line(), ["cache", "explain", *prompts])
    assert result.exit_code == 0
    return result.output.splitlines()


def test_one_prompt() -> None:
    """The form in which it is compared."""
    assert explain("Please draw A fox!") == ["compared as:  a fox"]


def test_a_prompt_that_is_compared_as_it_stands() -> None:
    """The prompt and the reason, brackets and all."""
    assert explain("a fox, [bokeh]") == ["as it stands: a fox, [bokeh]", "              because '[' may be syntax"]


def test_two_wordings() -> None:
    """Both forms, and that they are one request."""
    assert explain("A fox.", "draw me a fox, thanks")[-1] == "the same: without a seed, one picture may answer both"


@pytest.mark.parametrize(
    ("one", "other", "reasons"),
    [
        ("a red fox", "a blue fox", ("'red' is not 'blue'",)),
        ("a fox", "a fox at night", ("'at night' is only in the second",)),
        ("a fox at night", "A Fox", ("'at night' is only in the first",)),
        ("a fox_", "a fox", ("one is compared as it stands: '_' may be syntax", "'fox_' is not 'fox'")),
        ("a fox", "please draw a fox", ()),
    ],
)
def test_what_differs(one: str, other: str, reasons: tuple[str, ...]) -> None:
    """Every difference is named, and nothing where there is none."""
    assert differences(one, other) == reasons


def test_two_requests() -> None:
    """What keeps them apart is the last line."""
    assert explain("a red fox", "a blue fox")[-1] == "different: 'red' is not 'blue'"
