"""`darkroom scaling status` and `explain`: what a running Darkroom's policy does now, and what it did of late."""

import json
from datetime import UTC, datetime
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Table

from app.autoscaling.merge import RULES
from app.cli.client import KeyOption, ServerUnreachableError, key_for, reason, unreachable
from app.cli.generate import LOCAL_URL
from app.errors import ConfigurationError

Url = Annotated[str, typer.Option(help="Where the server is.")]
_PATIENCE_S = 10.0


def status(
    url: Url = LOCAL_URL,
    key: KeyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the server says.")] = False,
) -> None:
    """Show every deployment's replicas, its target, and each term that has a part in it."""
    console, view = Console(soft_wrap=True), fetch(url, key)
    if as_json:
        console.print_json(json.dumps(view))
        return
    console.print(status_table(view))
    for line in remarks(view):
        console.print(line, highlight=False, markup=False)


def explain(
    deployment: Annotated[str | None, typer.Argument(help="Which deployment; absent: all.")] = None,
    url: Url = LOCAL_URL,
    key: KeyOption = None,
    last: Annotated[int, typer.Option(min=1, max=100, help="How many changes.")] = 10,
) -> None:
    """Show the last changes of targets, each with its reason, the newest last."""
    console = Console(soft_wrap=True)
    for line in explained(fetch(url, key), deployment, last=last):
        console.print(line, highlight=False, markup=False)


def fetch(url: str, key: str | None = None, *, transport: httpx.BaseTransport | None = None) -> dict[str, Any]:
    """What the server says about its scaling, to who shows it that key.

    Raises ServerUnreachableError when nothing answers, or something that is no Darkroom with scaling does.
    """
    url = url.rstrip("/")
    try:
        with httpx.Client(transport=transport, timeout=_PATIENCE_S, auth=key_for(url, key)) as http:
            answer = http.get(f"{url}/scaling")
    except httpx.TransportError as error:
        raise unreachable(url) from error
    return _view(answer, url)


def status_table(view: dict[str, Any]) -> Table:
    """A row for each term of each deployment."""
    table = Table("deployment", "running", "target", "term", "replicas", "why")
    for name, each in view["deployments"].items():
        head = (name, str(each["running"]), f"{each['target']}{' (held)' if each['stale'] else ''}")
        for term in each["terms"] or [{"term": "none", "replicas": 0.0, "reason": each.get("reason", "")}]:
            table.add_row(*head, term["term"], f"{term['replicas']:.1f}", term["reason"])
            head = ("", "", "")
    return table


def remarks(view: dict[str, Any]) -> list[str]:
    """When that was, how forecasts are used, by which rules terms are merged, and what is wrong with the settings."""
    lines = [f"{_clock(view['at_s'])}, forecasts: {view['mode']}", *RULES]
    return [*lines, *([f"problem: {view['problem']}"] if view.get("problem") else [])]


def explained(view: dict[str, Any], deployment: str | None, *, last: int) -> list[str]:
    """A line for each change; raises ConfigurationError for a deployment that there is not."""
    if deployment is not None and deployment not in view["deployments"]:
        raise ConfigurationError(f"no deployment {deployment!r}; known: {', '.join(sorted(view['deployments']))}")
    changes = [each for each in view["decisions"] if deployment in (None, each["deployment"])]
    return [f"{_clock(each['at_s'])}  {_told(each)}" for each in changes[-last:]] or ["nothing has changed yet"]


def _told(change: dict[str, Any]) -> str:
    head = f"{change['deployment']} {change['from']}→{change['to']}"
    told = str(change["reason"])
    return told if told.startswith(head) else f"{head}: {told}"


def _view(answer: httpx.Response, url: str) -> dict[str, Any]:
    if answer.status_code == httpx.codes.NOT_FOUND:
        raise ServerUnreachableError(f"the server at {url} does not tell about scaling")
    try:
        body = answer.json()
    except ValueError:
        body = None
    if not answer.is_success:
        said = reason(body) if body is not None else f"status {answer.status_code}"
        raise ServerUnreachableError(f"the server at {url} says: {said}")
    if not isinstance(body, dict) or "deployments" not in body:
        raise ServerUnreachableError(f"what answers at {url} is no Darkroom")
    return body


def _clock(at_s: float) -> str:
    return datetime.fromtimestamp(at_s, UTC).astimezone().strftime("%Y-%m-%d %H:%M:%S")
