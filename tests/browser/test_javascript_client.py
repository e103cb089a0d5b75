"""The official JavaScript client, unmodified, in Node, against a server on this machine."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from fal_server import fal_server

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def results(javascript: Path) -> Any:
    """What came of the client's calls, by name."""
    with fal_server() as url:
        command = ["node", "node.mjs", url]
        done = subprocess.run(command, cwd=javascript, capture_output=True, text=True, check=False, timeout=240)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_run(results: Any) -> None:
    """`run` gives pictures, and the client knows the id of its request."""
    assert (results["run"]["seed"], results["run"]["hasId"]) == (3, True)
    assert results["run"]["bytes"] > 100


@pytest.mark.parametrize("way", ["polled", "streamed"])
def test_subscribe(results: Any, way: str) -> None:
    """`subscribe` follows a request to its end, by polling or by a stream of its status."""
    assert results[way] == {"seed": 4, "last": "COMPLETED"}


def test_cancel(results: Any) -> None:
    """A cancelled request ends with an error."""
    assert results["cancel"] == {"status": "COMPLETED", "type": "client_cancelled"}


def test_stream(results: Any) -> None:
    """`stream` shows progress and ends with the whole output."""
    assert results["stream"] == {"seed": 5, "progress": 5}


def test_uploads(results: Any) -> None:
    """Small files go at once, those over 90 MB in parts; both are read back."""
    assert results["upload"] == {"text": "hello"}
    assert results["uploadInParts"] == {"same": True}


def test_errors(results: Any) -> None:
    """Invalid input is the client's own ValidationError, which names the field."""
    assert results["invalid"] == {"name": "ValidationError", "status": 422, "fields": ["body.prompt"]}


def test_realtime(results: Any) -> None:
    """A connection with a token answers with the bytes of a picture."""
    assert results["realtime"] == {"seed": 6, "bytes": True}
