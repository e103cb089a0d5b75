"""Knowledge on disk: written whole or not at all, read back after a restart."""

import json
import logging
import os
import tempfile
import zipfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from app.autoscaling.forecast.record import ForecastRecord
from app.autoscaling.history import CountHistory
from app.autoscaling.live.arrays import Arrays, history_arrays, knowledge_of, recent_arrays, record_of
from app.autoscaling.live.knowledge import Knowledge

logger = logging.getLogger(__name__)

_UNREADABLE = (OSError, KeyError, ValueError, EOFError, zipfile.BadZipFile)


class Memory:
    """The files of one graph below a folder; what cannot be read is as if it had never been written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.expanduser()

    def load(self, name: str) -> Knowledge:
        """What is known of a deployment; nothing, or its history alone, when that is all there is."""
        record = ForecastRecord(CountHistory.empty())
        try:
            record = record_of(self._read(f"{name}.history.npz"))
            return knowledge_of(self._read(f"{name}.recent.npz"), record)
        except FileNotFoundError:
            return Knowledge(record=record)
        except _UNREADABLE:
            logger.warning("what was remembered of %s cannot be read", name, exc_info=True)
            return Knowledge(record=record)

    def save_history(self, name: str, knowledge: Knowledge) -> None:
        """Keep what changes once a minute."""
        self._write(f"{name}.history.npz", _packed(history_arrays(knowledge.record)))

    def save_recent(self, name: str, knowledge: Knowledge) -> None:
        """Keep what changes from decision to decision."""
        self._write(f"{name}.recent.npz", _packed(recent_arrays(knowledge)))

    def load_decisions(self) -> list[dict[str, Any]]:
        """The latest decisions, the newest last."""
        try:
            loaded: list[dict[str, Any]] = json.loads((self._folder / "decisions.json").read_bytes())
            return loaded
        except _UNREADABLE:
            return []

    def save_decisions(self, decisions: Iterable[dict[str, Any]]) -> None:
        """Keep the latest decisions."""
        self._write("decisions.json", json.dumps(list(decisions)).encode())

    def _read(self, name: str) -> Arrays:
        content = (self._folder / quote(name, safe="")).read_bytes()
        with np.load(BytesIO(content), allow_pickle=False) as file:
            return dict(file)

    def _write(self, name: str, content: bytes) -> None:
        name = quote(name, safe="")
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=self._folder, prefix=f".{name}.", delete=False) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(file.name).replace(self._folder / name)


def _packed(arrays: Arrays) -> bytes:
    buffer = BytesIO()
    np.savez(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()
