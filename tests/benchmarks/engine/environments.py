"""An environment for each peer that cannot live in the project's own; made once, and again when its pins change."""

import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console

ROOT = Path(__file__).resolve().parents[3]
FOLDER = ROOT / ".venv" / "bench"
TORCH = "torch==2.13.0"
_PINS = Path(__file__).with_name("requirements")


def python_of(name: str | None, console: Console) -> str:
    """The interpreter of the peer's environment, made first where it is missing; the current one without a name."""
    if name is None:
        return sys.executable
    folder = FOLDER / name
    stamp, pins = folder / ".installed", _pins(name)
    if not stamp.is_file() or stamp.read_text(encoding="utf-8") != pins:
        console.print(f"installing {name} into {folder.relative_to(ROOT)}, once; this takes some minutes")
        _install(folder, name)
        stamp.write_text(pins, encoding="utf-8")
    return str(folder / "bin" / "python")


def _pins(name: str) -> str:
    files = (_PINS / "common.txt", _PINS / f"{name}.txt")
    return TORCH + "\n" + "".join(file.read_text(encoding="utf-8") for file in files)


def _install(folder: Path, name: str) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
    # First and alone, so that nothing else chooses another build of it.
    _pip(folder, TORCH)
    _pip(folder, TORCH, "-r", _PINS / "common.txt", "-r", _PINS / f"{name}.txt")


def _pip(folder: Path, *wanted: str | Path) -> None:
    # The project on PYTHONPATH would be taken for an installed package whose needs are not met.
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    command = [folder / "bin" / "pip", "--disable-pip-version-check", "install", "-qq", *wanted]
    subprocess.run(command, check=True, env=variables)
