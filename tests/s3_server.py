"""A real S3-compatible server for tests: moto's, as a process of its own on the loopback."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from app.cli.environment import free_ports

READY_S = 30.0
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}


@contextmanager
def s3_server() -> Iterator[str]:
    """The base URL of a server that ends with the block; its credentials are in the environment meanwhile."""
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    before = {name: os.environ.get(name) for name in CREDENTIALS}
    os.environ.update(CREDENTIALS)
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            _wait(process, url)
            yield url
        finally:
            process.terminate()
            for name, value in before.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})


def new_bucket(url: str) -> str:
    """The name of a new bucket on the server."""
    name = f"bucket-{uuid.uuid4()}"
    httpx.put(f"{url}/{name}", trust_env=False).raise_for_status()
    return name


def _wait(process: subprocess.Popen[bytes], url: str) -> None:
    deadline_s = time.monotonic() + READY_S
    while process.poll() is None and time.monotonic() < deadline_s:
        try:
            httpx.get(url, trust_env=False)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError("the S3 server did not start")
