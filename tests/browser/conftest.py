"""The JavaScript client, installed once, and whether there is anything to run it in."""

import shutil
import subprocess
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "javascript"


@pytest.fixture(scope="session")
def javascript() -> Path:
    """The folder of the client's calls, with what they need; without Node, what needs it is skipped."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.skip("no Node is installed (Debian: apt-get install nodejs npm)")
    if not (FOLDER / "node_modules" / "esbuild").exists():
        subprocess.run(["npm", "ci"], cwd=FOLDER, check=True, capture_output=True)
    return FOLDER


@pytest.fixture(scope="session")
def chromium() -> str:
    """The program of a Chromium; without one installed, what needs it is skipped."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium is installed (Debian: apt-get install chromium)")
    return found
