"""What does a hit in the exact cache cost, beside a bare FastAPI echo in the same run, and beside work on new pictures?

    python tests/benchmarks/cache_hit.py

Bare and Darkroom take turns, so that both see the same machine. Printed for each: the
median and 99th percentile of one keep-alive client's latency, and the CPU time per request
of the processes that answer (for Darkroom: HAProxy and the gateway; the router and the
model replica are listed to show that a hit never reaches them). Then some callers ask for a new picture and for the
stored one in turns, so that half of all requests are hits while some new picture is always under way; the hits' latency
under that load is printed beside that of the same callers when all they ask for is stored.
"""

import http.client
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import psutil
from rich.console import Console
from rich.table import Table
from serving import serving

from app.cli.environment import free_ports

ROUNDS = 7
REQUESTS = 300
CALLERS = 6
HITS_EACH = 100
ENDPOINT = "/run/fal-ai/flux/schnell"
ECHO = """
import uvicorn
from fastapi import FastAPI
app = FastAPI()
@app.post("/echo")
async def echo(body: dict) -> dict:
    return body
uvicorn.run(app, host="127.0.0.1", port={port}, access_log=False, log_level="error")
"""


@dataclass(slots=True)
class Readings:
    """Latencies in seconds and CPU seconds by process, over all rounds."""

    latencies_s: list[float] = field(default_factory=list)
    cpu_s: dict[str, float] = field(default_factory=dict)
    requests: int = 0

    def cpu_ms(self, name: str) -> float:
        """CPU milliseconds per request of one process."""
        return 1000 * self.cpu_s[name] / self.requests

    def percentile_ms(self, share: float) -> float:
        """Latency in milliseconds that this share of the requests did not exceed."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


HIT = json.dumps({"prompt": "a red circle", "image_size": "square", "seed": 1}).encode()


def new(seed: int) -> bytes:
    """The body of a request whose picture the model draws without the upscaler's help."""
    return json.dumps({"prompt": "a red circle", "image_size": {"width": 64, "height": 64}, "seed": seed}).encode()


def main() -> None:
    """Take turns, then print both."""
    with _echo() as echo, serving() as server:
        groups = _groups(server.pid)
        bare, hits = Readings(), Readings()
        bare_p50_s, hit_p50_s = [], []
        assert_hit(server.url)
        for _ in range(ROUNDS):
            bare_p50_s.append(_turn(bare, f"http://127.0.0.1:{echo[0]}/echo", {"echo": [psutil.Process(echo[1])]}))
            hit_p50_s.append(_turn(hits, f"{server.url}{ENDPOINT}", groups))
        stored = _in_company(server.url, groups, draws=False)
        loaded = _in_company(server.url, groups, draws=True)
    _print(bare, hits, [hit / plain for hit, plain in zip(hit_p50_s, bare_p50_s, strict=True)])
    _print_company(stored, loaded)


def assert_hit(url: str) -> None:
    """Make the picture once; exit when the second answer does not come from the cache."""
    for expected in ("none", "exact"):
        with _connected(url) as connection:
            receipt = _post(connection, ENDPOINT)["receipts"][0]
        if receipt["cache"] != expected:
            sys.exit(f"cache level {receipt['cache']!r} where {expected!r} was expected")


def _turn(readings: Readings, url: str, groups: dict[str, list[psutil.Process]]) -> float:
    before = {name: _cpu_s(processes) for name, processes in groups.items()}
    latencies = []
    with _connected(url) as connection:
        for _ in range(REQUESTS):
            started_s = time.perf_counter()
            _post(connection, urlsplit(url).path)
            latencies.append(time.perf_counter() - started_s)
    for name, processes in groups.items():
        readings.cpu_s[name] = readings.cpu_s.get(name, 0.0) + _cpu_s(processes) - before[name]
    readings.latencies_s += latencies
    readings.requests += REQUESTS
    return statistics.median(latencies)


def _in_company(url: str, groups: dict[str, list[psutil.Process]], *, draws: bool) -> Readings:
    """Hits of several callers at once; with `draws`, each asks for a new picture before every hit."""
    readings, began_s = Readings(), time.perf_counter()
    before = {name: _cpu_s(processes) for name, processes in groups.items()}
    callers = [threading.Thread(target=_call, args=(readings, url, number, draws)) for number in range(CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    took_s = time.perf_counter() - began_s
    readings.requests = len(readings.latencies_s)
    readings.cpu_s = {name: (_cpu_s(processes) - before[name]) / took_s for name, processes in groups.items()}
    return readings


def _call(readings: Readings, url: str, number: int, draws: bool) -> None:
    with _connected(url) as connection:
        for turn in range(HITS_EACH):
            if draws:
                _post(connection, ENDPOINT, new(number * HITS_EACH + turn))
            started_s = time.perf_counter()
            _post(connection, ENDPOINT)
            readings.latencies_s.append(time.perf_counter() - started_s)


@contextmanager
def _connected(url: str) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=120)
    connection.connect()
    connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        yield connection
    finally:
        connection.close()


def _post(connection: http.client.HTTPConnection, path: str, body: bytes = HIT) -> dict[str, list[dict[str, object]]]:
    connection.request("POST", path, body, {"content-type": "application/json"})
    answer = connection.getresponse()
    text = answer.read()
    if answer.status != 200:
        sys.exit(f"{path} answered {answer.status}: {text[:200]!r}")
    return json.loads(text)


@contextmanager
def _echo() -> Iterator[tuple[int, int]]:
    (port,) = free_ports(1)
    process = subprocess.Popen([sys.executable, "-c", ECHO.format(port=port)])
    try:
        _until_open(port)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait()


def _until_open(port: int) -> None:
    for _ in range(600):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    sys.exit("the bare server did not start")


def _groups(pid: int) -> dict[str, list[psutil.Process]]:
    """The server's processes by the part they play; Ray names each after its deployment."""
    family = psutil.Process(pid).children(recursive=True)
    parts = {"haproxy": "haproxy ", "gateway": ":Gateway", "router": ":Router", "model": ":Model-sketch"}
    return {part: [each for each in family if mark in " ".join(each.cmdline()) + " "] for part, mark in parts.items()}


def _cpu_s(processes: list[psutil.Process]) -> float:
    return sum(sum(process.cpu_times()[:2]) for process in processes)


def _print(bare: Readings, hits: Readings, ratios: list[float]) -> None:
    table = Table("server", "p50 ms", "p99 ms", "CPU ms/request", title=f"{hits.requests} requests each, in turns")
    table.add_row("bare FastAPI echo", *_row(bare, bare.cpu_ms("echo")))
    table.add_row("exact hit", *_row(hits, hits.cpu_ms("haproxy") + hits.cpu_ms("gateway")))
    console = Console(width=120)
    console.print(table)
    console.print("CPU ms per hit by process: " + ", ".join(f"{name} {hits.cpu_ms(name):.2f}" for name in hits.cpu_s))
    console.print(f"p50 of a hit over p50 of bare: median {statistics.median(ratios):.1f} of {ROUNDS} rounds")


def _print_company(stored: Readings, loaded: Readings) -> None:
    columns = ("all that is asked for", "hits", "p50 ms", "p99 ms", "cores of the gateway", "cores of the model")
    table = Table(*columns, title=f"Hits of {CALLERS} callers at once")
    for name, readings in (("is stored", stored), ("is half stored, half new", loaded)):
        table.add_row(
            name,
            str(readings.requests),
            f"{readings.percentile_ms(0.5):.1f}",
            f"{readings.percentile_ms(0.99):.1f}",
            f"{readings.cpu_s['gateway']:.2f}",
            f"{readings.cpu_s['model']:.2f}",
        )
    Console(width=120).print(table)


def _row(readings: Readings, cpu_ms: float) -> tuple[str, str, str]:
    return f"{readings.percentile_ms(0.5):.2f}", f"{readings.percentile_ms(0.99):.2f}", f"{cpu_ms:.2f}"


if __name__ == "__main__":
    main()
