"""Queued jobs and `kill -9` of each part of the cluster that works on them, in turn."""

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from job_stream import asking
from kill_rounds import JOBS_PER_VICTIM, VICTIMS, Outcome, killed_in_turn, postgres_server, sqlite_server, times
from killable import APP, Killable, Part
from postgres_server import server_programs
from rich.console import Console
from solo_server import solo

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]

JOBS = JOBS_PER_VICTIM * len(VICTIMS)
SOLO_APP = "fal-ai/flux/schnell"
CALLERS = 6


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def server(request: pytest.FixtureRequest) -> Iterator[Killable]:
    """One gateway over a file, and two gateways over a PostgreSQL server."""
    if request.param == "postgres" and server_programs() is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    with (postgres_server if request.param == "postgres" else sqlite_server)() as server:
        yield server


@pytest.fixture(scope="module")
def outcome(server: Killable) -> Outcome:
    """What became of the stream."""
    return killed_in_turn(server)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[int, bytes]:
    """The same pictures by seed, as a server of one process draws them that nobody kills."""
    with solo(tmp_path_factory.mktemp("solo")) as (url, _), httpx.Client(base_url=url, timeout=60) as http:

        def drawn(seed: int) -> bytes:
            answer = http.post(f"/run/{SOLO_APP}", json=asking(seed)).raise_for_status().json()
            return http.get(answer["images"][0]["url"]).raise_for_status().content

        with ThreadPoolExecutor(8) as pool:
            return dict(enumerate(pool.map(drawn, range(JOBS))))


def test_every_job_is_done_once(
    outcome: Outcome, request: pytest.FixtureRequest, capsys: pytest.CaptureFixture
) -> None:
    """Each of the jobs that was ever submitted is one request, complete, without an error, and completed once."""
    with capsys.disabled():
        Console().print(times([outcome], title=request.node.callspec.id))

    assert len(set(outcome.request_ids.values())) == len(outcome.request_ids) == JOBS
    endings = [
        [line for line, _ in lines if line.startswith(("completed", "failed"))] for lines in outcome.logs.values()
    ]
    assert endings == [["completed"]] * JOBS


def test_pictures_are_those_of_an_undisturbed_server(outcome: Outcome, undisturbed: dict[int, bytes]) -> None:
    """Whoever drew a picture, and however often it was begun, it is the same to the byte."""
    assert outcome.pictures == undisturbed


def test_every_webhook_arrives_and_tells_one_result(outcome: Outcome) -> None:
    """The receiver hears of each request, and a message that comes twice says the same."""
    assert outcome.receiver.requests == JOBS
    assert [len(outcome.receiver.bodies(each)) for each in outcome.request_ids.values()] == [1] * JOBS


def test_nobody_is_told_what_was_not_so(outcome: Outcome) -> None:
    """All the time no acknowledged request was unknown, and none that was complete went back."""
    assert outcome.witness.answers
    assert outcome.witness.contradictions == []


def test_every_gateway_knows_of_every_request(outcome: Outcome) -> None:
    """Whichever gateway is asked, it says that all are complete."""
    assert outcome.seen
    assert all(seen == set(outcome.request_ids.values()) for seen in outcome.seen)


def test_direct_calls_are_told_when_their_router_dies(server: Killable, outcome: Outcome) -> None:
    """They are not kept, so each gets an error of the protocol, with the time after which to come back.

    A stream ends with the error and is cut off. The call that comes back is answered.
    """
    long = [asking(1000 * (1 + caller)) | {"num_inference_steps": 50, "num_images": 4} for caller in range(CALLERS)]
    url = f"{server.url}/run/{APP}"
    with ThreadPoolExecutor(CALLERS) as pool:
        calls = [pool.submit(httpx.post, url, json=asked, timeout=60) for asked in long[1:]]
        last = _last_event_before_the_cut(server, long[0])
        answers = [call.result() for call in calls]
    again = httpx.post(url, json=long[0], timeout=60)

    assert last["error_type"] == "runner_disconnected"
    refused = [answer for answer in answers if answer.status_code != httpx.codes.OK]
    assert refused
    assert {answer.status_code for answer in refused} == {503}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert {answer.json()["error_type"] for answer in refused} == {"runner_disconnected"}
    assert again.status_code == httpx.codes.OK


def _last_event_before_the_cut(server: Killable, asked: dict[str, Any]) -> dict[str, Any]:
    """The last event of a stream whose router is killed at its first."""
    events = []
    with (
        contextlib.suppress(httpx.RemoteProtocolError),
        httpx.stream("POST", f"{server.url}/run/{APP}/stream", json=asked, timeout=60) as answer,
    ):
        for line in answer.iter_lines():
            if line.startswith("data: "):
                events.append(json.loads(line.removeprefix("data: ")))
                if len(events) == 1:
                    server.kill(Part.ROUTER)
    return events[-1]
