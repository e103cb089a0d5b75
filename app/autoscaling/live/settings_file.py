"""The settings of scaling as a file that is read again whenever it changes."""

import logging
from pathlib import Path

from app.config.autoscaling import ScalingSettings, load_scaling
from app.errors import ConfigurationError

logger = logging.getLogger(__name__)

Stamp = tuple[int, int, int]


class SettingsFile:
    """Reads a file on every change of its content's stamp; a broken edit leaves what was, and says so.

    Without a path, or while the file is missing, the defaults hold. `problem` is empty when all is well.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp: Stamp | None = None
        self.settings = ScalingSettings()
        self.problem = ""

    def changed(self) -> ScalingSettings | None:
        """The new settings when there are some, and None as long as nothing has changed."""
        stamp = self._stamp_now()
        if stamp is None or stamp == self._stamp or self._path is None:
            return None
        self._stamp = stamp
        try:
            self.settings = load_scaling(self._path)
        except ConfigurationError as error:
            self.refuse(error.detail)
            return None
        self.problem = ""
        return self.settings

    def refuse(self, problem: str) -> None:
        """Note that what the file says cannot be used."""
        self.problem = problem
        logger.warning("settings of scaling are left as they were: %s", problem)

    def _stamp_now(self) -> Stamp | None:
        if self._path is None:
            return None
        try:
            found = self._path.stat()
        except OSError as error:
            self.problem = f"{self._path}: {error.strerror}"
            return None
        return (found.st_mtime_ns, found.st_size, found.st_ino)
