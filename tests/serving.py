"""A real Darkroom for tests and benchmarks: its own ports, its own folders, stopped with all that it started."""

import asyncio
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from app.cli.environment import free_ports, local_url, ray_environment
from app.cli.security import Security
from app.cli.server import Server
from app.config import load_settings

ROOT = Path(__file__).resolve().parents[1]
READY_S = 300


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that is warm: where it listens, its process id and its log."""

    url: str
    pid: int
    log: Path


@contextmanager
def serving(changes: Mapping[str, Any] | None = None, security: Security | None = None) -> Iterator[Serving]:
    """Serve `configs/local.yaml` with `changes` merged into it, on free ports, until the block is left."""
    # A socket's path may not be long, so the folder is not below the test's own.
    place = tempfile.TemporaryDirectory(prefix="darkroom-", ignore_cleanup_errors=True)
    with place as folder, _running(Path(folder), changes or {}, security) as server:
        yield server


@contextmanager
def _running(folder: Path, changes: Mapping[str, Any], security: Security | None) -> Iterator[Serving]:
    http, dashboard = free_ports(2)
    places = {
        "server": {"port": http},
        "ray": {"dashboard_port": dashboard, "num_cpus": 4},
        "scaling": {"memory": str(folder / "scaling")},
        "storage": {"blobs": str(folder / "blobs"), "jobs": f"sqlite:{folder / 'jobs.sqlite'}"},
    }
    raw = yaml.safe_load((ROOT / "configs" / "local.yaml").read_text(encoding="utf-8"))
    config = folder / "config.yaml"
    config.write_text(yaml.safe_dump(merged(merged(raw, places), changes)), encoding="utf-8")
    settings = load_settings(config)
    server = Server(
        [sys.executable, "-m", "deployments.serve", "--config", str(config), *(security.arguments if security else ())],
        url=local_url(settings.server, secure=security is not None),
        environment=ray_environment(settings.server, folder=folder, secure=security is not None),
        log=folder / "server.log",
        trust=security.trust if security else None,
    )
    try:
        asyncio.run(_warm(server))
        url = local_url(settings.server, secure=security is not None)
        yield Serving(url=url, pid=server.family[0].pid, log=folder / "server.log")
    finally:
        server.stop()


def merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`base` with `changes` laid over it, group by group."""
    result = dict(base)
    for key, value in changes.items():
        both = isinstance(value, Mapping) and isinstance(result.get(key), Mapping)
        result[key] = merged(result[key], value) if both else value
    return result


async def _warm(server: Server) -> None:
    async with asyncio.timeout(READY_S):
        async for _ in server.starting():
            pass
