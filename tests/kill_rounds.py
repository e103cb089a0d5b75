"""Every part of a server is killed in turn under a stream of jobs: when the work went on, and what became of it."""

import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx
from hooks import Receiver, receiving_hooks
from job_stream import JobStream, Witness, job_stream
from killable import APP, Killable, Part, killable
from postgres_server import postgres, server_programs
from rich.table import Table

EVERYTHING = "the whole cluster"
VICTIMS: tuple[tuple[str, Part | None], ...] = (
    ("a model replica", Part.MODEL),
    ("the router", Part.ROUTER),
    ("a gateway", Part.GATEWAY),
    ("the Serve controller", Part.CONTROLLER),
    (EVERYTHING, None),
)
JOBS_PER_VICTIM = 100
BEFORE_THE_KILL = 10
GLANCE_S = 0.05
PATIENCE_S = 120.0


# Short times, so that what waits for them does not take the test's own.
SETTINGS: dict[str, Any] = {
    "storage": {"lease_s": 3.0},
    "webhooks": {"allow_private_addresses": True, "timeout_s": 2.0, "retry_timeout_s": 2.0, "first_delay_s": 1.0},
}
MANY = {
    "server": {"replicas": 2},
    "variants": {"sketch-fast": {"autoscaling": {"min_replicas": 2, "max_replicas": 2}}},
}


@dataclass(frozen=True, slots=True)
class Kill:
    """One kill in epoch seconds, and when the server was whole again; None where it never said that it was not."""

    victim: str
    at_s: float
    noticed_s: float | None
    whole_s: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a stream left behind: by seed, the ids, pictures, and lines of the log with their epoch seconds.

    `seen` are the ids of completed requests, as each gateway tells them.
    """

    kills: Sequence[Kill]
    request_ids: Mapping[int, str]
    pictures: Mapping[int, bytes]
    logs: Mapping[int, Sequence[tuple[str, float]]]
    seen: Sequence[set[str]]
    receiver: Receiver
    witness: Witness
    refusals: int

    @property
    def completions_s(self) -> list[float]:
        """When requests were completed, in order."""
        return sorted(at_s for lines in self.logs.values() for message, at_s in lines if message == "completed")

    def pause_s(self, kill: Kill) -> float:
        """From the kill until the next completion, in seconds."""
        return min(at_s for at_s in self.completions_s if at_s > kill.at_s) - kill.at_s

    def backlog_s(self, kill: Kill) -> float:
        """From the kill until all that had been acknowledged before it was complete, in seconds."""
        times = [dict(lines) for lines in self.logs.values()]
        return max(each["completed"] for each in times if each["queued"] < kill.at_s) - kill.at_s


def killed_in_turn(server: Killable, *, victims: Sequence[tuple[str, Part | None]] = VICTIMS) -> Outcome:
    """Jobs for each victim, which dies while they are drawn; ends when all are complete and all webhooks there."""
    with receiving_hooks() as receiver, job_stream(server.url, app=APP, hook=receiver.url) as stream:
        with Witness(server.url, app=APP, acknowledged=stream.acknowledged) as witness:
            kills = [_kill_under_load(server, name, part, stream=stream, receiver=receiver) for name, part in victims]
            stream.finish()
            _until(lambda: receiver.requests == len(stream.acknowledged))
        request_ids = dict(sorted(stream.acknowledged.items()))
        with httpx.Client(base_url=server.url, timeout=PATIENCE_S) as http:
            return Outcome(
                kills=kills,
                request_ids=request_ids,
                pictures={seed: picture_of(http, request_id) for seed, request_id in request_ids.items()},
                logs={seed: _log_of(http, request_id) for seed, request_id in request_ids.items()},
                seen=[_completed(gateway, request_ids.values()) for gateway in server.gateways()],
                receiver=receiver,
                witness=witness,
                refusals=stream.refusals,
            )


@contextmanager
def sqlite_server() -> Iterator[Killable]:
    """One gateway and one replica over a file."""
    with killable(SETTINGS) as server:
        yield server


@contextmanager
def postgres_server() -> Iterator[Killable]:
    """Two gateways and two replicas over a PostgreSQL server of their own, which must be installed."""
    programs = server_programs()
    if programs is None:
        raise RuntimeError("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    # Only a loss of power asks for fsync; processes are killed here.
    with postgres(programs, ["fsync=off"]) as url, killable(_on(url)) as server:
        yield server


def _on(url: str) -> dict[str, Any]:
    return SETTINGS | MANY | {"storage": SETTINGS["storage"] | {"jobs": url}}


def times(outcomes: Sequence[Outcome], *, title: str) -> Table:
    """Seconds after each kill, the medians over several rounds."""
    columns = ("next completion", "backlog done", "said so", "whole again")
    table = Table("killed", *columns, title=title, caption="seconds after the kill; medians")
    for kills in zip(*(outcome.kills for outcome in outcomes), strict=True):
        rows = [_times(outcome, kill) for outcome, kill in zip(outcomes, kills, strict=True)]
        medians = (_median(column) for column in zip(*rows, strict=True))
        table.add_row(kills[0].victim, *medians)
    return table


def _times(outcome: Outcome, kill: Kill) -> tuple[float | None, ...]:
    noticed_s = None if kill.noticed_s is None else kill.noticed_s - kill.at_s
    return outcome.pause_s(kill), outcome.backlog_s(kill), noticed_s, kill.whole_s - kill.at_s


def _median(values: Iterable[float | None]) -> str:
    known = [value for value in values if value is not None]
    return f"{statistics.median(known):.1f}" if known else "-"


def _completed(gateway: str, request_ids: Iterable[str]) -> set[str]:
    """Those of the requests that are complete in the eyes of the gateway."""
    with httpx.Client(base_url=gateway, timeout=PATIENCE_S) as http:
        answers = {each: http.get(f"/queue/{APP}/requests/{each}/status").json() for each in request_ids}
    return {request_id for request_id, answer in answers.items() if answer["status"] == "COMPLETED"}


def picture_of(http: httpx.Client, request_id: str) -> bytes:
    """The file of a completed request's picture."""
    output = http.get(f"/queue/{APP}/requests/{request_id}").raise_for_status().json()
    return http.get(output["images"][0]["url"]).raise_for_status().content


def _log_of(http: httpx.Client, request_id: str) -> list[tuple[str, float]]:
    answer = http.get(f"/queue/{APP}/requests/{request_id}/status", params={"logs": 1}).raise_for_status().json()
    return [(line["message"], datetime.fromisoformat(line["timestamp"]).timestamp()) for line in answer["logs"]]


def _kill_under_load(server: Killable, name: str, part: Part | None, *, stream: JobStream, receiver: Receiver) -> Kill:
    """The kill, once its own jobs are under way; what was acknowledged before it is complete before the next."""
    told = receiver.requests
    stream.offer(JOBS_PER_VICTIM)
    _until(lambda: receiver.requests >= told + BEFORE_THE_KILL)
    acknowledged = list(stream.acknowledged.values())
    kill = _kill_everything(server, name) if part is None else _kill_part(server, name, part)
    try:
        _until(lambda: receiver.has_heard_of(acknowledged))
    except TimeoutError as error:
        raise TimeoutError(f"{name} was killed; {_left_behind(server, acknowledged, receiver)}") from error
    return kill


def _left_behind(server: Killable, request_ids: Iterable[str], receiver: Receiver) -> dict[str, Any]:
    """What each gateway says of the requests that nobody was told about."""
    missing = [each for each in request_ids if not receiver.has_heard_of([each])]
    with httpx.Client(timeout=PATIENCE_S) as http:
        return {
            f"{gateway} {each}": http.get(f"{gateway}/queue/{APP}/requests/{each}/status", params={"logs": 1}).json()
            for gateway in server.gateways()
            for each in missing
        }


def _kill_everything(server: Killable, name: str) -> Kill:
    server.kill_everything()
    at_s = time.time()
    server.start()
    return Kill(name, at_s, at_s, time.time())


def _kill_part(server: Killable, name: str, part: Part) -> Kill:
    before = server.pids(part)
    victim = server.kill(part)
    at_s = time.time()
    noticed_s = None
    deadline_s = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline_s:
        is_ready = server.is_ready()
        if not is_ready and noticed_s is None:
            noticed_s = time.time()
        if is_ready and len(server.pids(part) - {victim}) == len(before):
            return Kill(name, at_s, noticed_s, time.time())
        time.sleep(GLANCE_S)
    raise TimeoutError(f"{name} did not come back")


def _until(condition: Callable[[], bool]) -> None:
    deadline_s = time.monotonic() + PATIENCE_S
    while not condition():
        if time.monotonic() > deadline_s:
            raise TimeoutError("the stream stands still")
        time.sleep(GLANCE_S)
