"""Saves a stage's state so that an interrupted training goes on exactly where it stood."""

import os
from pathlib import Path
from typing import Any, Protocol

import torch


class Stateful(Protocol):
    """Anything whose state can be saved and put back."""

    def state_dict(self) -> Any:
        """All state needed to go on."""
        ...

    def load_state_dict(self, state_dict: Any, /) -> object:
        """Put a saved state back."""
        ...


class Checkpoint:
    """One file with the state of several parts, the step reached and the seconds spent."""

    def __init__(self, path: Path, parts: dict[str, Stateful]) -> None:
        self._path = path
        self._parts = parts
        self._saved_at_s = 0.0

    def load(self) -> tuple[int, float]:
        """Put the saved state back and return its step and seconds spent, or zeros when nothing is saved."""
        if not self._path.exists():
            return 0, 0.0
        saved = torch.load(self._path, map_location="cpu", weights_only=True)
        for name, part in self._parts.items():
            part.load_state_dict(saved[name])
        self._saved_at_s = saved["spent_s"]
        return saved["step"], saved["spent_s"]

    def save(self, step: int, spent_s: float) -> None:
        """Replace the file by the present state, atomically."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        partial = self._path.with_suffix(".partial")
        state = {name: part.state_dict() for name, part in self._parts.items()}
        torch.save({**state, "step": step, "spent_s": spent_s}, partial)
        os.replace(partial, self._path)
        self._saved_at_s = spent_s

    def save_if_due(self, step: int, spent_s: float, every_s: float) -> None:
        """Save when the last save is at least `every_s` seconds of training old."""
        if spent_s - self._saved_at_s >= every_s:
            self.save(step, spent_s)
