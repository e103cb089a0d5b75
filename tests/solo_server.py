"""`darkroom solo` as a user runs it: a process of its own, with its own folders."""

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import yaml

from app.cli.environment import free_ports

PROGRAM = "from app.cli.main import main; main()"


@contextmanager
def solo(folder: Path, changes: Mapping[str, Any] | None = None) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The server's URL and its process, once it has said that it is ready; it is killed with the block.

    What it logs is in `solo.log` of the folder.
    """
    (port,) = free_ports(1)
    settings: dict[str, Any] = {
        "server": {"port": port},
        "storage": {"blobs": str(folder / "blobs"), "jobs": f"sqlite:{folder / 'jobs.sqlite'}"},
        "variants": {"sketch": {"source": "builtin:sketch-fast", "native_sizes": [[64, 64]], "max_batch": 2}},
        "endpoints": {"fal-ai/flux/schnell": {"task": "text_to_image", "variant": "sketch"}},
    }
    for group, values in (changes or {}).items():
        settings[group] = {**settings.get(group, {}), **values}
    config = folder / "solo.yaml"
    config.write_text(yaml.safe_dump(settings), encoding="utf-8")
    command = [sys.executable, "-c", PROGRAM, "solo", "--config", str(config)]
    environment = os.environ | {"HOME": str(folder)}
    with (
        (folder / "solo.log").open("ab") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment) as process,
    ):
        try:
            yield _ready(process, f"http://127.0.0.1:{port}"), process
        finally:
            process.kill()


def _ready(process: subprocess.Popen[str], url: str) -> str:
    assert process.stdout is not None
    while "ready" not in process.stdout.readline() and process.poll() is None:
        pass
    httpx.get(f"{url}/health", timeout=30)
    return url
