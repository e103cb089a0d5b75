"""`darkroom scaling status` and `explain`, against a server that answers from memory."""

import io
from typing import Any

import httpx
import pytest
from rich.console import Console
from typer.testing import CliRunner

from app.cli.client import ServerUnreachableError
from app.cli.environment import free_ports
from app.cli.main import command_line
from app.cli.scaling.live import explained, fetch, remarks, status_table
from app.errors import ConfigurationError

URL = "http://darkroom.test"
VIEW: dict[str, Any] = {
    "at_s": 1_800_000_000.0,
    "mode": "act",
    "problem": "",
    "deployments": {
        "sdxl": {
            "running": 6,
            "target": 9,
            "terms": [
                {"term": "burst", "replicas": 7.4, "reason": "m=2.1/s, D=3.2, z=1.5"},
                {"term": "queue", "replicas": 1.2, "reason": "14 waiting, drain 10 s"},
            ],
            "stale": False,
        },
        "upscaler": {"running": 1, "target": 1, "terms": [], "stale": True, "reason": "no plan yet"},
    },
    "decisions": [
        {"at_s": 1_799_999_000.0, "deployment": "upscaler", "from": 2, "to": 1, "reason": "hold 1.0"},
        {"at_s": 1_799_999_900.0, "deployment": "sdxl", "from": 6, "to": 9, "reason": "sdxl 6→9: burst 7.4 → 9"},
    ],
}


def serving(status: int = 200, **answer: Any) -> httpx.MockTransport:
    """A server that answers like this."""
    return httpx.MockTransport(lambda request: httpx.Response(status, **answer))


def shown(renderable: object) -> str:
    """A table as text."""
    written = io.StringIO()
    Console(file=written, width=140).print(renderable)
    return written.getvalue()


def test_the_server_is_asked() -> None:
    """What `GET /scaling` of the server says is what is shown; it is asked with the key, where there is one."""
    asked = []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append((request.method, str(request.url), request.headers["authorization"]))
        return httpx.Response(200, json=VIEW)

    assert fetch(f"{URL}/", "secret", transport=httpx.MockTransport(answer)) == VIEW
    assert asked == [("GET", f"{URL}/scaling", "Key secret")]


def test_every_term_is_shown() -> None:
    """Each deployment's replicas and target stand beside each term and its reason; a held target says so."""
    text = shown(status_table(VIEW))
    rows = [" ".join(line.replace("│", " ").split()) for line in text.splitlines()]

    assert "sdxl 6 9 burst 7.4 m=2.1/s, D=3.2, z=1.5" in rows
    assert "queue 1.2 14 waiting, drain 10 s" in rows
    assert "upscaler 1 1 (held) none 0.0 no plan yet" in rows


def test_problems_are_remarked() -> None:
    """How forecasts are used and terms are merged is told, and a mistake in the settings' file."""
    assert remarks(VIEW)[0].endswith(", forecasts: act")
    assert "a ceiling beats a floor" in " ".join(remarks(VIEW))
    assert remarks(VIEW | {"problem": "scaling.yaml: no"})[-1] == "problem: scaling.yaml: no"


def test_changes_are_explained() -> None:
    """Each change is a line with its time, what changed and why; said once, whoever says it."""
    lines = explained(VIEW, None, last=10)

    assert [line.split("  ", 1)[1] for line in lines] == ["upscaler 2→1: hold 1.0", "sdxl 6→9: burst 7.4 → 9"]


def test_changes_of_one_deployment() -> None:
    """The newest changes of a deployment can be asked for by themselves."""
    assert len(explained(VIEW, "sdxl", last=10)) == 1
    assert explained(VIEW, None, last=1)[0].endswith("sdxl 6→9: burst 7.4 → 9")


def test_no_change_is_said() -> None:
    """Where nothing has changed yet, that is said."""
    assert explained(VIEW | {"decisions": []}, None, last=10) == ["nothing has changed yet"]


def test_an_unknown_deployment_is_named() -> None:
    """A deployment that there is not is named, with those that there are."""
    with pytest.raises(ConfigurationError, match="no deployment 'flux'; known: sdxl, upscaler"):
        explained(VIEW, "flux", last=10)


@pytest.mark.parametrize(
    ("transport", "complaint"),
    [
        (serving(404), "does not tell about scaling"),
        (serving(403, json={"detail": "needs the scope admin"}), "says: needs the scope admin"),
        (serving(503, json={"detail": "the forecaster does not answer"}), "says: the forecaster does not answer"),
        (serving(502, text="bad gateway"), "says: status 502"),
        (serving(200, text="hello"), "is no Darkroom"),
        (serving(200, json=[1]), "is no Darkroom"),
    ],
    ids=["not found", "forbidden", "unavailable", "gateway", "text", "list"],
)
def test_other_answers_are_errors(transport: httpx.MockTransport, complaint: str) -> None:
    """Whatever answers instead is said in one line, with the address."""
    with pytest.raises(ServerUnreachableError) as raised:
        fetch(URL, transport=transport)

    assert complaint in raised.value.detail
    assert URL in raised.value.detail


@pytest.mark.parametrize("command", ["status", "explain"])
def test_nobody_answers(command: str) -> None:
    """Where no server is, the error says how to start one."""
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(ServerUnreachableError, match=r"no server answers at .*; start one with: darkroom up"):
        CliRunner().invoke(command_line(), ["scaling", command, "--url", url], catch_exceptions=False)
