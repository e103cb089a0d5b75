"""What the stores that outlive a process keep when it is killed."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest
from fakes import FakeClock, make_request
from job_stores import new_schema

from app.compound import QueuedRequest
from app.config import StorageSettings
from app.storage.jobs import JobStore, open_jobs

ROOT = Path(__file__).resolve().parents[2]
LANES = 8
ENOUGH = 150
PROGRAM = """
import asyncio, itertools, sys
sys.path[:0] = [".", "tests"]
from fakes import make_request
from app.config import StorageSettings
from app.storage.jobs import NewRequest, RequestState, RequestView, open_jobs

async def lane(store, number):
    for turn in itertools.count():
        request = make_request(f"{number}-{turn}", seed=turn)
        view = RequestView(request_id=request.request_id, endpoint=request.endpoint)
        kept = await store.submit(NewRequest(view=view, request=request, submitted_s=0.0, deadline_s=60.0))
        print("submitted", request.request_id, flush=True)
        if turn % 3 == 0:
            done = RequestView(request_id=request.request_id, endpoint="e", state=RequestState.COMPLETED)
            await store.complete(kept.lease, done)
            print("completed", request.request_id, flush=True)

async def main():
    store = open_jobs(StorageSettings(jobs=sys.argv[1]))
    await store.open()
    await asyncio.gather(*(lane(store, number) for number in range(int(sys.argv[2]))))

asyncio.run(main())
"""


@pytest.fixture(params=["sqlite", "postgres"])
def jobs(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The setting that names an empty store, of each kind in turn."""
    if request.param == "sqlite":
        return f"sqlite:{tmp_path / 'jobs.sqlite'}"
    return new_schema(request.getfixturevalue("postgres_url"))


def acknowledged_before_a_kill(jobs: str) -> list[tuple[str, str]]:
    """What a process said was done, line by line, before it was killed in the middle of more."""
    command = [sys.executable, "-c", PROGRAM, jobs, str(LANES)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        lines = [process.stdout.readline() for _ in range(ENOUGH)]
        process.kill()
        lines += process.stdout.readlines()
    words = [line.split() for line in lines if line.endswith("\n")]
    return [(what, request_id) for what, request_id in words]


async def asked(store: JobStore, request_id: str) -> QueuedRequest | None:
    """The whole request as it is kept."""
    return (await store.standing(request_id)).request


async def test_everything_acknowledged_is_there_after_a_kill(jobs: str) -> None:
    """Each submitted request is whole, each completed one is complete, and the rest can be claimed."""
    said = await asyncio.to_thread(acknowledged_before_a_kill, jobs)
    submitted = {request_id for what, request_id in said if what == "submitted"}
    completed = {request_id for what, request_id in said if what == "completed"}
    assert len(submitted) + len(completed) >= ENOUGH
    store = open_jobs(StorageSettings(jobs=jobs))
    await store.open()
    for request_id in completed:
        assert (await store.get(request_id)).is_completed
    for request_id in submitted - completed:
        request = await asked(store, request_id)
        seed = int(request_id.partition("-")[2])
        assert request in (None, make_request(request_id, seed=seed))
        assert request is not None or (await store.get(request_id)).is_completed
    await store.close()


async def test_a_killed_workers_requests_can_be_claimed(jobs: str) -> None:
    """When its leases are over, all that was not complete is given to others, once."""
    said = await asyncio.to_thread(acknowledged_before_a_kill, jobs)
    submitted = {request_id for what, request_id in said if what == "submitted"}
    store = open_jobs(StorageSettings(jobs=jobs))
    await store.open()
    views = {request_id: await store.get(request_id) for request_id in submitted}
    unfinished = {request_id for request_id, view in views.items() if not view.is_completed}
    later = open_jobs(StorageSettings(jobs=jobs), clock=FakeClock(2e10))
    await later.open()
    claims = await later.claim(10 * ENOUGH)
    claimed = [claim.lease.request_id for claim in claims]
    assert unfinished <= set(claimed)
    assert len(claimed) == len(set(claimed))
    assert await later.claim(1) == []
    await store.close()
    await later.close()
