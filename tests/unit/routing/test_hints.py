"""Replicas that are preferred for what they have served before."""

from fake_replicas import RouterBench
from fakes import make_job
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ReplicaLostError
from app.generation import Job
from app.handling import Handling, Retries
from app.routing.hints import Hints
from app.routing.queue import GRACE_S, DeadlineQueue

HERE, THERE = "replica-0", "replica-1"


def hinted(job_id: str, hint: str = "", **changes: float) -> Job:
    """A job whose caller prefers a replica."""
    return make_job(job_id, handling=Handling(hint=hint), **changes)


def test_the_last_that_served_a_hint_is_preferred() -> None:
    """A job suits the replica that served its hint last; without a hint, or with a new one, it suits all."""
    hints = Hints()
    hints.served(hinted("a", "x"), HERE)
    hints.served(hinted("b", "x"), THERE)
    hints.served(hinted("c"), HERE)

    assert (hints.suits(hinted("d", "x"), HERE), hints.suits(hinted("d", "x"), THERE)) == (False, True)
    assert hints.suits(hinted("e"), THERE)
    assert hints.suits(hinted("f", "new"), THERE)


def test_hints_are_forgotten() -> None:
    """Those of a lost replica at once, and the oldest of very many."""
    hints = Hints(most=2)
    for hint in ("a", "b", "c"):
        hints.served(hinted(hint, hint), HERE)
    assert (hints.suits(hinted("x", "a"), THERE), hints.suits(hinted("x", "b"), THERE)) == (True, False)
    hints.lost(HERE)
    assert hints.suits(hinted("x", "b"), THERE)


def test_others_go_by() -> None:
    """A job that suits another replica lets others by, but only those that are almost as urgent."""
    queue = DeadlineQueue()
    for name, deadline_s in (("first", 10.0), ("near", 10.0 + GRACE_S), ("far", 10.1 + GRACE_S)):
        queue.push(make_job(name, deadline_s=deadline_s, arrival_s=0.0))

    def suits(job: Job) -> bool:
        return job.job_id != "first"

    assert [job.job_id for job in queue.pop_batch(1, suits)] == ["near"]
    assert [job.job_id for job in queue.pop_batch(1, suits)] == ["first"]
    assert [job.job_id for job in queue.pop_batch(1, suits)] == ["far"]


@given(st.lists(st.tuples(st.floats(0, 5), st.booleans()), min_size=1), st.integers(1, 4))
def test_nobody_is_overtaken_for_long(jobs: list[tuple[float, bool]], limit: int) -> None:
    """Whatever suits, every job comes out once, and none before one that is more urgent by more than the grace."""
    queue = DeadlineQueue()
    for number, (deadline_s, suits) in enumerate(jobs):
        queue.push(make_job(f"{number}-{suits}", deadline_s=deadline_s, arrival_s=0.0))
    while batch := queue.pop_batch(limit, lambda job: job.job_id.endswith("True")):
        left = queue.head()
        assert left is None or batch[0].deadline_s <= left.deadline_s + GRACE_S
    assert len(queue) == 0


async def test_a_hint_leads_back_to_its_replica() -> None:
    """When both replicas have room and others wait too, a job goes where its hint was served before."""
    bench = RouterBench(replicas=2, max_batch=1)
    callers = await bench.start(hinted("a", "x", arrival_s=1000.0), hinted("b", "y", arrival_s=1000.1))
    await bench.outcomes(callers)
    served = {each.steps[0][0]: each for each in bench.replicas}
    await bench.run(hinted("d", "y", arrival_s=1010.0), hinted("c", "x", arrival_s=1010.1))

    assert served["a"].batches == [("a",), ("c",)]
    assert served["b"].batches == [("b",), ("d",)]


async def test_a_hint_lets_no_replica_idle() -> None:
    """Where nothing else waits, a job goes to the first replica that has room."""
    bench = RouterBench(replicas=2, max_batch=1)
    await bench.run(hinted("a", "x"))
    jobs = [hinted(f"b{number}", "x", arrival_s=1010.0) for number in range(4)]
    await bench.run(*jobs)

    assert [len(each.received) for each in bench.replicas] in ([3, 2], [2, 3])


async def test_no_retry() -> None:
    """A job whose caller wants none is not sent to another replica when its own is lost."""
    bench = RouterBench()
    bench.replica.doomed = True
    (outcome,) = await bench.run(make_job("a", handling=Handling(retries=Retries(connection_error=0))))

    assert isinstance(outcome, ReplicaLostError)
    assert len(bench.replica.received) == 1
