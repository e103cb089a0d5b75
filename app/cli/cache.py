"""`darkroom cache`: what the cache makes of a prompt, what it holds, what similarity is worth, what to forget."""

from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from app.cache.canonical import canonical_form, differences
from app.cli.client import KeyOption, key_for, reason, unreachable
from app.cli.generate import LOCAL_URL
from app.errors import BadRequestError, GenerationFailedError

cache = typer.Typer(help="What the cache makes of a prompt, holds, has shown, and shall forget.", no_args_is_help=True)

_TIMEOUT_S = 600.0
_SHOWN = 4

UrlOption = Annotated[str, typer.Option(help="Where the server is.")]


@cache.callback()
def about() -> None:
    """What the cache makes of a prompt, holds, has shown, and shall forget."""


@cache.command()
def explain(
    prompt: Annotated[str, typer.Argument(help="What the picture shows.")],
    other: Annotated[str | None, typer.Argument(help="Another prompt, to be compared with the first.")] = None,
    url: Annotated[str | None, typer.Option(help="A running server: also who would be nominated there.")] = None,
    tenant: Annotated[str, typer.Option(help="Among whose pictures.")] = "local",
    key: KeyOption = None,
) -> None:
    """Show how a prompt is compared, or whether one picture may answer two prompts, and why not."""
    lines = [line for each in (prompt, other) if each is not None for line in explained(each)]
    if other is not None:
        lines.append(compared(prompt, other))
    if url is not None:
        lines += nominated(_told(url, key, "explain", {"prompt": prompt, "tenant": tenant}))
    console = Console(soft_wrap=True)
    for line in lines:
        console.print(line, markup=False, highlight=False)


@cache.command()
def stats(url: UrlOption = LOCAL_URL, key: KeyOption = None) -> None:
    """Show what each level of a running server knows, and what similarity has earned in each namespace."""
    told = _told(url, key)
    console = Console(soft_wrap=True)
    console.print("pictures known: " + ", ".join(f"{name} {count}" for name, count in told["keys"].items()))
    if told["similar"]:
        console.print(standings(told["similar"]))


@cache.command()
def audit(
    most: Annotated[int, typer.Option(min=1, max=10_000, help="Prompts of each namespace that are tried.")] = 100,
    url: UrlOption = LOCAL_URL,
    key: KeyOption = None,
) -> None:
    """Judge what the stored prompts would be answered with if they were asked now; it earns nothing."""
    bands = _told(url, key, "audit", {"most": most})
    table = Table("namespace", "from cosine", "judged", "wrong", "at most wrong")
    for band in bands:
        bound = f"{band['bound']:.1%}" if band["judged"] else ""
        table.add_row(_short(band["namespace"]), f"{band['floor']:g}", str(band["judged"]), str(band["wrong"]), bound)
    Console(soft_wrap=True).print(table)


@cache.command()
def purge(
    picture: Annotated[str | None, typer.Option(help="The file of a picture, as its URL ends.")] = None,
    prompt: Annotated[str | None, typer.Option(help="Pictures for a prompt, in any wording.")] = None,
    tenant: Annotated[str | None, typer.Option(help="Pictures of a tenant.")] = None,
    revision: Annotated[str | None, typer.Option(help="Pictures of a revision of a model.")] = None,
    keep_files: Annotated[bool, typer.Option("--keep-files", help="Forget, but leave the files.")] = False,
    url: UrlOption = LOCAL_URL,
    key: KeyOption = None,
) -> None:
    """Forget, at every level, the pictures that match all that is named, and delete their files."""
    named = {"picture": picture, "prompt": prompt, "tenant": tenant, "revision": revision}
    wanted: dict[str, Any] = {name: value for name, value in named.items() if value is not None}
    if not wanted:
        raise BadRequestError("name at least one of --picture, --prompt, --tenant and --revision")
    gone = _told(url, key, "purge", wanted | {"keep_files": keep_files})
    Console(soft_wrap=True).print(f"forgotten: {gone['pictures']} pictures; deleted: {gone['files']} files")


def nominated(told: dict[str, Any]) -> tuple[str, ...]:
    """Which pictures other wordings find, and what would become of each entry that is nominated."""
    found = tuple(f"in these words: {key}" for key in told["remembered"]) or ("in these words: nothing is remembered",)
    return (*found, *(_nominee_line(each) for each in told["similar"]))


def standings(namespaces: list[dict[str, Any]]) -> Table:
    """What every band of every namespace has shown."""
    table = Table("namespace", "tenant", "entries", "from cosine", "state", "audits", "wrong", "at most wrong", "hits")
    for record in namespaces:
        for band in record["bands"]:
            table.add_row(
                _short(record["name"]),
                record["namespace"]["tenant"],
                str(record["entries"]),
                f"{band['floor']:g}",
                band["state"],
                f"{band['audits']} + {band['served_audits']}",
                f"{band['errors']} + {band['served_errors']}",
                f"{band['bound']:.1%}",
                str(band["hits"]),
            )
    return table


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


def _nominee_line(nominee: dict[str, Any]) -> str:
    because = f": {nominee['reason']}" if nominee["reason"] else ""
    return f"{nominee['similarity']:.4f} {nominee['prompt']!r}: {nominee['action']}{because}"


def _short(name: str) -> str:
    return name.rpartition("/")[2][: 2 * _SHOWN]


def _told(url: str, key: str | None, question: str = "", body: dict[str, Any] | None = None) -> Any:
    """What the server says; raises ServerUnreachableError, or GenerationFailedError with its refusal."""
    address = f"{url.rstrip('/')}/cache{'/' * bool(question)}{question}"
    try:
        answer = httpx.request(
            "GET" if body is None else "POST", address, json=body, auth=key_for(url, key), timeout=_TIMEOUT_S
        )
    except httpx.TransportError as error:
        raise unreachable(url) from error
    if answer.is_success:
        return answer.json()
    try:
        said = reason(answer.json())
    except ValueError:
        said = f"the server answered {answer.status_code}"
    raise GenerationFailedError(said)
