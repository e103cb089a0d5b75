"""A real PostgreSQL server, and the workers of every kind of job store."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from fakes import FakeClock
from job_stores import Workers, memory_workers, postgres_workers, sqlite_workers
from postgres_server import postgres, server_programs

from app.storage.jobs import JobStore


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """The URL of a server that ends with the session; without one installed, what needs it is skipped."""
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed (Debian: apt-get install postgresql)")
    # Only a loss of power asks for fsync; processes are killed here.
    with postgres(programs, ["fsync=off"]) as url:
        yield url


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def workers(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Workers]:
    """Workers that share one store, of each kind in turn."""
    match request.param:
        case "memory":
            made = memory_workers()
        case "sqlite":
            made = sqlite_workers(tmp_path / "state" / "jobs.sqlite")
        case _:
            made = postgres_workers(request.getfixturevalue("postgres_url"))
    yield made
    await made.close()


@pytest.fixture
async def store(workers: Workers) -> JobStore:
    """The first worker."""
    return await workers.another()


@pytest.fixture
def clock(workers: Workers) -> FakeClock:
    """The clock of all workers."""
    return workers.clock
