"""A real Darkroom whose scaling is watched from outside: what Serve reports, what `GET /scaling` says, and when."""

import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
import yaml
from serving import Serving, merged, serving

from app.cli.environment import free_ports

PACE = 10.0
LOOK_S = 0.1
DEPLOYMENT = "Model-sketch"
ENDPOINT = "/run/fal-ai/flux/schnell"

# By the clock on the wall, a replica serves one picture a second and is taken to need twelve seconds to start.
SCALING: Mapping[str, Any] = {
    "slo": {"latency_s": 40},
    "deployments": {
        "sketch": {"single_s": 10, "max_batch": 1, "cold_start_s": 120},
        "upscaler": {"single_s": 0.5, "cold_start_s": 50},
    },
    "forecast": {"min_history_s": "10m"},
    "budget": {"per_day": 100000},
}


@dataclass(frozen=True, slots=True)
class Look:
    """What Serve said about the model's deployment at one moment."""

    at_s: float
    target: int
    running: frozenset[str]
    status: str


@dataclass(slots=True)
class Site:
    """The server, the dashboard of its Ray, its file of scaling settings, and everything that was seen."""

    server: Serving
    dashboard: str
    file: Path
    looks: list[Look] = field(default_factory=list)

    def scaling(self) -> dict[str, Any]:
        """What `GET /scaling` answers."""
        report: dict[str, Any] = httpx.get(self.server.url + "/scaling", timeout=10).raise_for_status().json()
        return report

    def edit(self, changes: Mapping[str, Any]) -> None:
        """Write the settings of scaling with `changes` laid over them."""
        self.file.write_text(yaml.safe_dump(merged(SCALING, changes)), encoding="utf-8")

    def look(self) -> Look:
        """Ask Serve now."""
        applications = httpx.get(self.dashboard + "/api/serve/applications/", timeout=30).raise_for_status().json()
        found = applications["applications"]["darkroom"]["deployments"][DEPLOYMENT]
        running = frozenset(each["replica_id"] for each in found["replicas"] if each["state"] == "RUNNING")
        return Look(time.time(), found["target_num_replicas"], running, found["status"])

    def ordered_s(self) -> list[float]:
        """When Serve's controller began to start replicas of the model, as its own log tells."""
        logs = sorted(self.server.log.parent.glob("session_*/logs/serve/controller_[0-9]*.log"))
        lines = [line for log in logs if not log.parents[2].is_symlink() for line in log.read_text().splitlines()]
        return [_logged_s(line) for line in lines if f"Upscaling Deployment(name='{DEPLOYMENT}'" in line]

    def wait_for(self, is_so: Callable[[Look], bool], *, within_s: float) -> Look:
        """The first look for which it is so; fails with all that was seen when none comes in time."""
        until_s = time.time() + within_s
        while time.time() < until_s:
            if is_so(now := self.look()):
                return now
            time.sleep(LOOK_S)
        seen = "\n".join(f"{each.at_s:.1f} {each.target} {len(each.running)}" for each in self.looks[-40:])
        raise AssertionError(f"not within {within_s} s; {self.scaling()['deployments']}\n{seen}")

    def draw(self, *, seed: int) -> int:
        """The status of one direct call."""
        body = {"prompt": "a red circle", "image_size": "square", "seed": seed}
        return httpx.post(self.server.url + ENDPOINT, json=body, timeout=120).status_code

    def process(self, name: str) -> psutil.Process:
        """The actor's process that Ray calls so."""
        family = psutil.Process(self.server.pid).children(recursive=True)
        return next(each for each in family if each.is_running() and "".join(each.cmdline()[:1]).startswith(name))

    @contextmanager
    def watched(self) -> Iterator[list[Look]]:
        """Look all the time until the block is left."""
        self.looks.clear()
        is_over = threading.Event()

        def watch() -> None:
            while not is_over.wait(LOOK_S):
                try:
                    self.looks.append(self.look())
                except (httpx.HTTPError, KeyError):
                    continue

        thread = threading.Thread(target=watch, daemon=True)
        thread.start()
        try:
            yield self.looks
        finally:
            is_over.set()
            thread.join()


@contextmanager
def scaling_site(folder: Path, changes: Mapping[str, Any] | None = None) -> Iterator[Site]:
    """A server of up to three replicas of the built-in model, whose scaling clock runs ten times as fast."""
    file, (dashboard,) = folder / "scaling.yaml", free_ports(1)
    file.write_text(yaml.safe_dump(dict(SCALING)), encoding="utf-8")
    usual = {
        "variants": {"sketch": {"num_cpus": 0.1, "autoscaling": {"min_replicas": 1, "max_replicas": 3}}},
        "upscaler": {"num_cpus": 0.1, "autoscaling": {"min_replicas": 1, "max_replicas": 2}},
        "scaling": {"file": str(file), "pace": PACE},
        "cache": {"max_entries": 0},
        "ray": {"dashboard_port": dashboard},
    }
    with serving(merged(usual, changes or {})) as server:
        yield Site(server, f"http://127.0.0.1:{dashboard}", file)


def _logged_s(line: str) -> float:
    day, moment = line.split()[1:3]
    return datetime.strptime(f"{day} {moment}", "%Y-%m-%d %H:%M:%S,%f").astimezone().timestamp()


def tell(capsys: pytest.CaptureFixture[str], line: str) -> None:
    """Show a figure however the tests are run."""
    with capsys.disabled():
        sys.stdout.write(f"\n{line}\n")


def schedule(name: str, *, in_s: float, lasts_s: float, floor: int) -> dict[str, Any]:
    """A floor that begins so many seconds from now by the clock on the wall, written for the faster clock."""
    begin = datetime.fromtimestamp((time.time() + in_s) * PACE, UTC).replace(tzinfo=None)
    return {"name": name, "deployment": "sketch", "at": begin, "for": lasts_s * PACE, "floor": floor}


class Load:
    """Direct calls at a rate that is changed while it runs, each from a thread of its own."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._threads: list[threading.Thread] = []
        self.statuses: list[int | str] = []

    def at_once(self, count: int) -> None:
        """So many calls together."""
        for _ in range(count):
            seed = len(self._threads)
            thread = threading.Thread(target=self._draw, args=(seed,), daemon=True)
            self._threads.append(thread)
            thread.start()

    def replay(self, rates_per_s: list[float], *, part_s: float) -> None:
        """Calls at each of these rates for `part_s`."""
        for rate_per_s in rates_per_s:
            until_s = time.time() + part_s
            while time.time() < until_s:
                self.at_once(1)
                time.sleep(1 / rate_per_s)

    def done(self) -> list[int | str]:
        """The statuses of all calls once they are answered, or what went wrong instead."""
        for thread in self._threads:
            thread.join()
        return self.statuses

    def _draw(self, seed: int) -> None:
        try:
            self.statuses.append(self._site.draw(seed=seed))
        except httpx.HTTPError as error:
            self.statuses.append(repr(error))
