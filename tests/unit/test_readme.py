"""The documents at the root say nothing that is not so."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_group

from app.cli.announcement import recipe
from app.cli.main import command_line
from app.config import DarkroomSettings

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "configs/README.md")
README = (ROOT / "README.md").read_text(encoding="utf-8")

COMMAND = re.compile(r"(?<![\w-])(?:\.venv/bin/)?darkroom ((?:up|down|generate|train|doctor|config|render)\b[^`\n]*)")
TARGET = re.compile(r"(?:^|`)make ([a-z]+)", re.MULTILINE)
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")
SETTING = re.compile(r"`((?:server|fetch|storage|cache|routing|upscaler|telemetry|ray)\.[a-z0-9_.]+)")
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)


def texts() -> str:
    """All documents in one string."""
    return "\n".join((ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS)


def test_commands_and_options_exist() -> None:
    """Every darkroom command in a document exists, and has the options that it is shown with."""
    commands = get_group(command_line()).commands
    shown = [shlex.split(match, comments=True) for match in COMMAND.findall(README)]

    assert len(shown) >= 3
    for name, *arguments in shown:
        options = {option for parameter in commands[name].params for option in parameter.opts}
        assert {argument for argument in arguments if argument.startswith("-")} <= options


def test_make_targets_exist() -> None:
    """Every make target in a document exists."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(TARGET.findall(texts()))

    assert targets >= {"run", "stop", "check", "test", "bench", "generated"}
    assert [target for target in targets if f"\n{target}:" not in makefile] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_somewhere(name: str) -> None:
    """Every link to a file of the repository finds it."""
    path = ROOT / name
    links = LINK.findall(path.read_text(encoding="utf-8"))

    assert [link for link in links if not (path.parent / link).exists()] == []


def test_settings_exist() -> None:
    """Every setting that a document names is in the schema."""
    for key in SETTING.findall(texts()):
        model: Any = DarkroomSettings
        for part in key.rstrip(".").split("."):
            assert part in model.model_fields, key
            model = model.model_fields[part].annotation


def test_environment_variables_exist() -> None:
    """Every variable that the README names is read by a configuration that we ship."""
    configurations = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "configs").glob("*.yaml"))

    assert {name for name in re.findall(r"`(DARKROOM_[A-Z_]+)`", README) if name not in configurations} == set()


def test_folders_exist() -> None:
    """Every entry of the tree in the README is there."""
    tree = README.split("## Where things are")[1].split("```")[1]
    entries = [line for line in tree.splitlines() if line and not line.startswith("   ")]
    tops = [line.split()[0] for line in entries if not line.startswith(" ")]
    inner = [f"app/{line.split()[0]}" for line in entries if line.startswith("  ")]

    assert [name for name in (*tops, *inner) if not (ROOT / name).exists()] == []


def test_client_recipe() -> None:
    """The lines for fal-client are those that `darkroom up` prints, and the whole block is Python."""
    (block,) = PYTHON.findall(README)

    assert block.replace("\n\n", "\n").startswith(recipe("http://127.0.0.1:8000"))
    compile(block, "README.md", "exec")


def test_endpoints_in_the_example() -> None:
    """The example calls an endpoint that the local configuration serves."""
    served = yaml.safe_load((ROOT / "configs/local.yaml").read_text(encoding="utf-8"))["endpoints"]

    assert set(re.findall(r"subscribe\(\"([^\"]+)\"", README)) <= served.keys()
