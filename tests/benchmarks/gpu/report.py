"""Says what was found while it is being found: on the screen, as JSON, as Markdown."""

import json
import platform
import shutil
import subprocess
import traceback
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch
from benchmarks.gpu.sheets import Sheet, markdown, plain, rich_table
from rich.console import Console

_PACKAGES = ("torch", "diffusers", "transformers", "torchao", "triton")


class Report:
    """Prints what it hears and writes it to the files, all of it anew each time."""

    def __init__(
        self, console: Console, machine: dict[str, Any], *, json_path: Path | None, markdown_path: Path | None
    ) -> None:
        self.has_failures = False
        self._console = console
        self._machine = machine
        self._json_path = json_path
        self._markdown_path = markdown_path
        self._sheets: list[Sheet] = []
        self._phases: dict[str, str] = {}
        self._say(", ".join(f"{name}: {value}" for name, value in machine.items()))

    def add(self, sheet: Sheet) -> None:
        """Something was found."""
        self._sheets.append(sheet)
        self._say(f"\n{sheet.title}")
        self._console.print(rich_table(sheet))
        for note in sheet.notes:
            self._say(note)
        self._write()

    def measured(self, phase: str, seconds: float) -> None:
        """A phase has come to its end after so many seconds."""
        self._note(phase, f"measured in {seconds:.0f} s")

    def skipped(self, phase: str, reason: str) -> None:
        """A phase was not begun, or cannot be measured here."""
        self._note(phase, f"skipped: {reason}")

    def failed(self, phase: str, error: Exception) -> None:
        """A phase broke off; its traceback goes to the screen."""
        self.has_failures = True
        self._say("".join(traceback.format_exception(error)))
        self._note(phase, f"failed: {type(error).__name__}: {error}")

    def _note(self, phase: str, state: str) -> None:
        self._phases[phase] = state
        self._say(f"{phase}: {state}")
        self._write()

    def _say(self, words: str) -> None:
        self._console.print(words, markup=False, highlight=False)

    def _write(self) -> None:
        if self._json_path is not None:
            document = {
                "machine": self._machine, "phases": self._phases, "sheets": [plain(sheet) for sheet in self._sheets]
            }  # fmt: skip
            self._json_path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
        if self._markdown_path is not None:
            self._markdown_path.write_text(self._markdown(), encoding="utf-8")

    def _markdown(self) -> str:
        facts = [f"- {name}: {value}" for name, value in self._machine.items()]
        states = [f"- {phase}: {state}" for phase, state in self._phases.items()]
        return "\n".join([*facts, "", *(markdown(sheet) for sheet in self._sheets), "**Phases**", "", *states, ""])


def machine(device: torch.device) -> dict[str, Any]:
    """What the numbers hold for."""
    return {
        **(_gpu(device) if device.type == "cuda" else {"gpu": "none"}),
        **{name: _version(name) for name in _PACKAGES},
        "python": platform.python_version(),
    }


def _gpu(device: torch.device) -> dict[str, Any]:
    properties = torch.cuda.get_device_properties(device)
    return {
        "gpu": properties.name,
        "memory_gb": round(properties.total_memory / 1e9, 1),
        "multiprocessors": properties.multi_processor_count,
        "driver": _driver(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
    }


def _driver() -> str:
    program = shutil.which("nvidia-smi")
    if program is None:
        return "unknown"
    query = [program, "--query-gpu=driver_version", "--format=csv,noheader"]
    answer = subprocess.run(query, capture_output=True, text=True, check=False).stdout.split()
    return answer[0] if answer else "unknown"


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"
