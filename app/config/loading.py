"""Reads a configuration file, with environment variables in it, and says what is wrong with it."""

import os
import re
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from app.config.darkroom import DarkroomSettings
from app.errors import ConfigurationError

_REFERENCE = re.compile(r"\$\{(?P<name>[A-Z][A-Z0-9_]*)(?::-(?P<default>[^}]*))?\}")


def load_settings(path: Path) -> DarkroomSettings:
    """Read one configuration file; `${NAME}` and `${NAME:-default}` stand for environment variables.

    Raises ConfigurationError that names the file, the key and the reason.
    """
    try:
        raw = yaml.safe_load(_expand(path.read_text(encoding="utf-8")))
        return DarkroomSettings.model_validate(raw)
    except OSError as error:
        raise ConfigurationError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{path}: not valid YAML: {error}") from error
    except ValidationError as error:
        raise ConfigurationError(f"{path}: {explained(error)}") from error


def _expand(text: str) -> str:
    def value(match: re.Match[str]) -> str:
        found = os.environ.get(match["name"], match["default"])
        if found is None:
            raise ConfigurationError(f"environment variable {match['name']} is not set and has no default")
        return found

    return _REFERENCE.sub(value, text)


def explained(error: ValidationError) -> str:
    """What is wrong with which key, in one line."""

    def line(issue: Any) -> str:
        where = ".".join(str(part) for part in issue["loc"]) or "the file"
        return f"{where}: {issue['msg']}"

    return "; ".join(line(issue) for issue in error.errors())
