"""`darkroom solo`, as a user runs it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import yaml

from app.cli.environment import free_ports

PROGRAM = "from app.cli.main import main; main()"


@contextmanager
def solo(folder: Path, **changes: object) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """The server's URL and its process, once it has said that it is ready; it is ended with the block."""
    (port,) = free_ports(1)
    settings = {
        "server": {"port": port},
        "storage": {"blobs": str(folder / "blobs")},
        "variants": {"sketch": {"source": "builtin:sketch-fast", "native_sizes": [[64, 64]], "max_batch": 2}},
        "endpoints": {"fal-ai/flux/schnell": {"task": "text_to_image", "variant": "sketch"}},
    }
    config = folder / "solo.yaml"
    config.write_text(yaml.safe_dump(settings | changes), encoding="utf-8")
    command = [sys.executable, "-c", PROGRAM, "solo", "--config", str(config)]
    environment = os.environ | {"HOME": str(folder)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
    ) as process:
        try:
            while process.stdout is not None and (line := process.stdout.readline()):
                if "ready" in line:
                    yield f"http://127.0.0.1:{port}", process
                    break
        finally:
            process.kill()


def test_one_process_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    """It says when it is warm, answers like the whole graph, and an interrupt ends it in order."""
    asked = {"prompt": "a red circle", "image_size": {"width": 64, "height": 64}, "seed": 1}
    with solo(tmp_path) as (url, process):
        answer = httpx.post(f"{url}/run/fal-ai/flux/schnell", json=asked, timeout=30).raise_for_status().json()
        picture = httpx.get(answer["images"][0]["url"], timeout=30)
        process.send_signal(signal.SIGINT)
        assert process.wait(30) in (0, 130, -signal.SIGINT)
    assert picture.content[:3] == b"\xff\xd8\xff"
    assert answer["receipts"][0]["variant"] == "sketch"
