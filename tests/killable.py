"""A real Darkroom whose processes are killed one by one, or all at once, and started again on the same stores."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import psutil
import yaml
from serving import merged

from app.cli.environment import free_ports, ray_environment
from app.cli.server import Server
from app.config import load_settings

APP = "darkroom/sketch-fast"
READY_S = 240
ASKED_S = 2.0
INGRESS_PORTS = range(30_000, 31_000)


class Part(StrEnum):
    """A kind of process of the graph, by the beginning of its title."""

    MODEL = "ray::ServeReplica:darkroom:Model-sketch-fast"
    ROUTER = "ray::ServeReplica:darkroom:Router"
    GATEWAY = "ray::ServeReplica:darkroom:Gateway"
    CONTROLLER = "ray::ServeController"


class Killable:
    """A server on free ports; `settings` are laid over those of the smallest graph there is."""

    def __init__(self, folder: Path, settings: Mapping[str, Any]) -> None:
        self._folder = folder
        self._config = folder / "config.yaml"
        self._config.write_text(yaml.safe_dump(merged(_smallest(folder), settings)), encoding="utf-8")
        self._settings = load_settings(self._config)
        self._server: Server | None = None
        self._starts = 0

    @property
    def url(self) -> str:
        """Where it listens, whenever it runs."""
        return f"http://127.0.0.1:{self._settings.server.port}"

    def start(self) -> None:
        """Start it, the first time or again on the same stores, and wait until it is warm."""
        self._starts += 1
        own = self._folder / str(self._starts)
        (own / "ray").mkdir(parents=True)
        self._server = Server(
            [sys.executable, "-m", "deployments.serve", "--config", str(self._config)],
            url=self.url,
            environment=ray_environment(self._settings.server, folder=own),
            log=own / "log",
        )
        asyncio.run(_warm(self._server))

    def stop(self) -> None:
        """Stop what runs of it, in order."""
        if self._server is not None:
            self._server.stop()

    def pids(self, part: Part) -> set[int]:
        """The processes of that kind which live now."""
        return {process.pid for process in self._family() if _title(process).startswith(part)}

    def gateways(self) -> list[str]:
        """The addresses of the gateways themselves, past the proxy in front of them."""
        gateways = [process for process in self._family() if _title(process).startswith(Part.GATEWAY)]
        ports = {each.laddr.port for gateway in gateways for each in gateway.net_connections("tcp")}
        return [f"http://127.0.0.1:{port}" for port in sorted(ports) if port in INGRESS_PORTS]

    def kill(self, part: Part) -> int:
        """Kill one process of that kind; its id."""
        victim = min(self.pids(part))
        os.kill(victim, signal.SIGKILL)
        return victim

    def kill_everything(self) -> None:
        """Kill every process, the one that started the others first, and wait until all are gone."""
        family = self._family()
        for process in family:
            os.kill(process.pid, signal.SIGKILL)
        psutil.wait_procs(family, timeout=READY_S)

    def is_ready(self) -> bool:
        """Whether it says itself that everything is there."""
        try:
            return httpx.get(f"{self.url}/ready", timeout=ASKED_S).status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    def _family(self) -> list[psutil.Process]:
        return [] if self._server is None else self._server.family


@contextmanager
def killable(settings: Mapping[str, Any]) -> Iterator[Killable]:
    """A server that runs, and has ended with the block."""
    # A socket's path may not be long, so the folder is not below the test's own.
    with TemporaryDirectory(prefix="darkroom-", dir="/tmp", ignore_cleanup_errors=True) as folder:
        server = Killable(Path(folder), settings)
        try:
            server.start()
            yield server
        finally:
            server.stop()


def _smallest(folder: Path) -> dict[str, Any]:
    http, dashboard = free_ports(2)
    return {
        "server": {"port": http},
        "ray": {"dashboard_port": dashboard, "num_cpus": 4},
        "storage": {"blobs": str(folder / "blobs"), "jobs": f"sqlite:{folder / 'jobs.sqlite'}"},
        "variants": {"sketch-fast": {"source": "builtin:sketch-fast", "native_sizes": [[64, 64]], "num_cpus": 0.1}},
        "upscaler": {"num_cpus": 0.1},
        "endpoints": {APP: {"task": "text_to_image", "variant": "sketch-fast"}},
    }


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


async def _warm(server: Server) -> None:
    async with asyncio.timeout(READY_S):
        async for _ in server.starting():
            pass
