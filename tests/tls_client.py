"""The official client, unmodified, in a process of its own that knows nothing but its environment."""

import io
import os
import subprocess
import sys
from pathlib import Path

from rich.console import Console

from app.cli.announcement import announce_tls

CALLS = """
import fal_client
size = {"width": 64, "height": 80}
made = fal_client.subscribe("fal-ai/flux/schnell", arguments={"prompt": "a", "seed": 3, "image_size": size})
*_, last = fal_client.stream("fal-ai/flux/schnell", arguments={"prompt": "a", "seed": 4, "image_size": size})
with fal_client.realtime("fal-ai/flux/schnell", use_jwt={use_jwt}) as connection:
    connection.send({"prompt": "a", "seed": 5, "image_size": size})
    answer = connection.recv()
print(made["seed"], last["seed"], answer["seed"])
"""
UPLOAD = """
import httpx
url = fal_client.upload(b"hello", "text/plain")
print(url.rpartition("/files/")[0], httpx.get(url).text)
"""


def announced(host: str, bundle: Path, proxy: str | None) -> dict[str, str]:
    """The variables in what is printed for a user to paste."""
    console = Console(record=True, file=io.StringIO(), width=40)
    announce_tls(host, bundle, console, proxy=proxy)
    lines = [line for line in console.export_text().splitlines() if line.startswith("export ")]
    return dict(word.split("=", 1) for line in lines for word in line.split()[1:])


def printed(program: str, environment: dict[str, str]) -> list[str]:
    """What a new interpreter prints that runs the program in the environment."""
    inherited = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=inherited | environment)
    return done.stdout.split()
