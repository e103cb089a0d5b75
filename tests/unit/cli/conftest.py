"""A configuration on a free port, and servers that are always stopped again."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.cli.environment import free_ports
from app.cli.session import Session, Sessions
from app.config import load_settings

FAKE = Path(__file__).parents[2] / "fake_darkroom.py"

CONFIG = """\
server: {{port: {port}, proxy: python}}
variants: {{sketch: {{source: "builtin:sketch"}}}}
endpoints:
  fal-ai/esrgan: {{task: upscale}}
  fal-ai/flux/schnell: {{task: text_to_image, variant: sketch}}
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A valid configuration whose port nobody uses."""
    path = tmp_path / "config.yaml"
    path.write_text(CONFIG.format(port=free_ports(1)[0]), encoding="utf-8")
    return path


@pytest.fixture
def begin(config: Path, tmp_path: Path) -> Iterator[Callable[[str], Session]]:
    """Begins a session with the fake server in a mode."""
    begun: list[Session] = []

    def start(mode: str) -> Session:
        sessions = Sessions(tmp_path / "run", temporary=tmp_path, command=[sys.executable, str(FAKE), mode])
        begun.append(sessions.begin(config, load_settings(config)))
        return begun[-1]

    yield start
    for session in begun:
        session.end(keep_logs=False)
