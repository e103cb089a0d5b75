"""`darkroom cache`: what the cache makes of a prompt."""

from typing import Annotated

import typer
from rich.console import Console

from app.cache.canonical import canonical_form, differences

cache = typer.Typer(help="What the cache makes of a prompt.", no_args_is_help=True)


@cache.callback()
def about() -> None:
    """What the cache makes of a prompt."""


@cache.command()
def explain(
    prompt: Annotated[str, typer.Argument(help="What the picture shows.")],
    other: Annotated[str | None, typer.Argument(help="Another prompt, to be compared with the first.")] = None,
) -> None:
    """Show how a prompt is compared, or whether one picture may answer two prompts, and why not."""
    console = Console(soft_wrap=True)
    for each in (prompt,) if other is None else (prompt, other):
        for line in explained(each):
            console.print(line, markup=False, highlight=False)
    if other is not None:
        console.print(compared(prompt, other), markup=False, highlight=False)


def explained(prompt: str) -> tuple[str, ...]:
    """The form in which the prompt is compared, and why that is the prompt itself, where it is."""
    form = canonical_form(prompt)
    if form.raw_because is None:
        return (f"compared as:  {form.text}",)
    return (f"as it stands: {form.text}", f"              because {form.raw_because}")


def compared(one: str, other: str) -> str:
    """One sentence: whether the two prompts may share a picture when neither names a seed, or what differs."""
    found = differences(one, other)
    return f"different: {'; '.join(found)}" if found else "the same: without a seed, one picture may answer both"
