"""`darkroom keys` and `darkroom audit`, over a real file."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from app.cli.keys import duration_s
from app.cli.main import command_line
from app.errors import ConfigurationError

CONFIG = """\
storage: {{jobs: "{jobs}"}}
variants: {{sketch: {{source: "builtin:sketch"}}}}
endpoints: {{fal-ai/flux/schnell: {{task: text_to_image, variant: sketch}}}}
auth: {{quota: {{requests: 7}}}}
"""

Run = Callable[..., str]


def darkroom(config: Path) -> Run:
    """Runs commands with that configuration; gives what they print, raises what they raise."""

    def run(*arguments: str) -> str:
        result = CliRunner().invoke(
            command_line(), [*arguments, "--config", str(config)], catch_exceptions=False, env={"COLUMNS": "200"}
        )
        assert result.exit_code == 0, result.output
        return result.output

    return run


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Commands over a file that does not exist yet."""
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(jobs=f"sqlite:{tmp_path / 'jobs.sqlite'}"), encoding="utf-8")
    return darkroom(config)


def key_in(output: str) -> tuple[str, str]:
    """The id and the secret that a command has shown."""
    found = re.search(r"FAL_KEY=(dk-[0-9a-f]{16}):(\S{43})", output)
    assert found is not None
    return found[1], found[2]


def test_a_key_is_shown_once(run: Run) -> None:
    """In the form in which clients want it; afterwards its id alone is ever seen."""
    key_id, secret = key_in(run("keys", "create", "acme"))
    later = run("keys", "list") + run("audit") + run("keys", "usage", "acme")

    assert key_id in later
    assert secret not in later


def test_scopes_and_expiry_are_chosen(run: Run) -> None:
    """A key may do what was named, for as long as was named."""
    run("keys", "create", "acme", "--scope", "read", "--expires", "90d")
    run("keys", "create", "else")
    listed = run("keys", "list", "acme")

    assert "read" in listed
    assert "generate" not in listed
    assert "good until" in listed
    assert "else" not in listed


def test_a_rotated_key_ends_later(run: Run) -> None:
    """Its successor is shown; the old one is good until the overlap is over."""
    old, _ = key_in(run("keys", "create", "acme"))
    new, _ = key_in(run("keys", "rotate", old, "--overlap", "1h"))
    listed = run("keys", "list")

    assert new != old
    assert listed.count("good until") == 1


def test_a_revoked_key_is_told_as_such(run: Run) -> None:
    """And can be neither revoked twice nor rotated."""
    key_id, _ = key_in(run("keys", "create", "acme"))
    assert "within 1 s" in run("keys", "revoke", key_id)
    run("keys", "revoke", key_id)

    assert "revoked" in run("keys", "list")
    assert run("audit", "--action", "key revoked").count(key_id) == 2
    with pytest.raises(ConfigurationError, match="has ended"):
        run("keys", "rotate", key_id)


@pytest.mark.parametrize("command", ["rotate", "revoke"])
def test_an_unknown_key_is_an_error(run: Run, command: str) -> None:
    """The message tells where to look."""
    with pytest.raises(ConfigurationError, match="keys list"):
        run("keys", command, "dk-0000000000000000")


def test_use_is_shown_beside_the_quota(run: Run) -> None:
    """Of a tenant that has used nothing yet, nothing."""
    assert re.search(r"requests\s+│\s+0\s+│\s+7", run("keys", "usage", "acme"))


def test_the_log_is_filtered(run: Run) -> None:
    """By tenant, action and age; as JSON, one object a line."""
    for tenant in ("acme", "acme", "else"):
        run("keys", "create", tenant)
    entries = [json.loads(line) for line in run("audit", "--tenant", "acme", "--since", "1h", "--json").splitlines()]

    assert [(entry["tenant"], entry["action"]) for entry in entries] == [("acme", "key created")] * 2
    assert len(run("audit", "--limit", "1").splitlines()) == 1
    assert run("audit", "--action", "delete") == ""


def test_keys_in_memory_are_refused(tmp_path: Path) -> None:
    """They would end with the command."""
    config = tmp_path / "config.yaml"
    config.write_text(CONFIG.format(jobs="memory"), encoding="utf-8")
    with pytest.raises(ConfigurationError, match=r"storage\.jobs"):
        darkroom(config)("keys", "list")


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("1.5m", 90), ("24h", 86_400), ("2d", 172_800)])
def test_durations(text: str, seconds: float) -> None:
    """A number and a unit."""
    assert duration_s(text) == seconds


@pytest.mark.parametrize("text", ["", "1", "h", "-1h", "1w", "1h "])
def test_what_is_no_duration_is_refused(text: str) -> None:
    """By an error about the option."""
    with pytest.raises(typer.BadParameter):
        duration_s(text)
