"""What the layout promises beyond import directions: light imports and small parts."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(path for package in ("app", "deployments") for path in (ROOT / package).rglob("*.py"))
LONGEST_FILE = 300
LONGEST_FUNCTION = 60

Function = ast.FunctionDef | ast.AsyncFunctionDef


def loaded_by(module: str) -> set[str]:
    """Top-level packages in memory after a fresh interpreter has imported the module."""
    program = f"import {module}, sys; print(*{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def functions(path: Path) -> Iterator[Function]:
    """Every function of a file, methods included."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


@pytest.mark.parametrize(
    "module", ["app.config", "app.generation", "app.service", "app.routing.router", "app.cache.exact"]
)
def test_core_is_light(module: str) -> None:
    """The core of the application loads without Ray, PyTorch or a web framework."""
    assert loaded_by(module).isdisjoint({"ray", "torch", "fastapi", "starlette"})


@pytest.mark.parametrize("module", ["app.api.app", "app.cli.main"])
def test_edges_are_light(module: str) -> None:
    """HTTP and the command line load without Ray and PyTorch, so that they start in a moment."""
    assert loaded_by(module).isdisjoint({"ray", "torch", "diffusers", "transformers"})


def test_light_imports_are_noticed() -> None:
    """The probe sees a package that is loaded, so that the two tests above can fail."""
    assert "pydantic" in loaded_by("app.config")


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_files_are_short(path: Path) -> None:
    """No file has more than 300 lines and no function more than 60."""
    lines = len(path.read_text(encoding="utf-8").splitlines())
    lengths = [(node.end_lineno or node.lineno) - node.lineno + 1 for node in functions(path)]

    assert lines <= LONGEST_FILE
    assert max(lengths, default=0) <= LONGEST_FUNCTION
