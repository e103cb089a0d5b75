"""Keeps what was learnt about costs on disk, so that a restarted replica knows it at once."""

import hashlib
import json
import logging
import os
from pathlib import Path

from app.inference.engine.costs import CostModel

logger = logging.getLogger(__name__)


class CostStore:
    """One file per kind of replica below a folder; `circumstances` are all that costs depend on."""

    def __init__(self, folder: Path, *circumstances: str) -> None:
        digest = hashlib.sha256("\n".join(circumstances).encode()).hexdigest()[:24]
        self._path = folder / f"{digest}.json"

    def load(self) -> CostModel:
        """What was kept, or an empty model; a damaged file is as good as none."""
        try:
            return CostModel.of(json.loads(self._path.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return CostModel()
        except (OSError, ValueError, KeyError, TypeError):
            logger.warning("the costs in %s cannot be read and are measured anew", self._path.name)
            return CostModel()

    def save(self, costs: CostModel) -> None:
        """Keep the model; readers see the old file or the new one, never a part."""
        draft = self._path.with_suffix(f".{os.getpid()}.part")
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(json.dumps(costs.to_json()), encoding="utf-8")
            draft.replace(self._path)
        except OSError as error:
            logger.warning("the costs could not be kept: %s", error.strerror)
