"""Router: whatever arrives whenever, the order is right and every job ends exactly once."""

import asyncio
from dataclasses import dataclass

from fake_replicas import RouterBench
from fakes import make_job
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import JobCancelledError, StartTimeoutError
from app.generation import Job, Picture
from app.telemetry.events import JobDispatched


@dataclass(frozen=True)
class Arrival:
    """One job of a trace, with how long its caller is willing to stay."""

    job: Job
    patience_s: float | None


@st.composite
def traces(draw: st.DrawFn) -> list[Arrival]:
    """Up to 25 jobs of two shapes and three tiers within 20 seconds."""
    arrivals = []
    for number in range(draw(st.integers(1, 25))):
        arrival_s = 1000.0 + draw(st.integers(0, 40)) / 2
        job = make_job(
            f"job-{number}",
            arrival_s=arrival_s,
            deadline_s=arrival_s + draw(st.sampled_from([10.0, 60.0, 3600.0])),
            steps=draw(st.sampled_from([1, 3])),
            native_height=draw(st.sampled_from([64, 48])),
            start_by_s=draw(st.sampled_from([None, None, arrival_s + 4.25])),
        )
        arrivals.append(Arrival(job, draw(st.sampled_from([None, None, None, 2.5]))))
    return arrivals


async def _call(bench: RouterBench, arrival: Arrival) -> Picture:
    await bench.clock.sleep(arrival.job.arrival_s - bench.clock.now_s)
    if arrival.patience_s is None:
        return await bench.picture(arrival.job)
    picture, _ = await asyncio.gather(bench.picture(arrival.job), _lose_patience(bench, arrival))
    return picture


async def _lose_patience(bench: RouterBench, arrival: Arrival) -> None:
    await bench.clock.sleep(arrival.patience_s or 0.0)
    await bench.router.cancel(arrival.job.job_id)


def _inversions(bench: RouterBench, jobs: dict[str, Job]) -> list[tuple[str, str]]:
    """Pairs of one shape and length in which the less urgent job was chosen while the more urgent one waited."""
    sent = {event.job_id: event for event in reversed(bench.recorder.of(JobDispatched))}
    return [
        (early, late)
        for early, chosen in sent.items()
        for late, other in sent.items()
        if jobs[early].spec.batch_key == jobs[late].spec.batch_key
        and jobs[early].spec.steps == jobs[late].spec.steps
        and (jobs[early].deadline_s, jobs[early].arrival_s) > (jobs[late].deadline_s, jobs[late].arrival_s)
        and other.enqueued_s < chosen.dispatched_s < other.dispatched_s
    ]


@given(trace=traces(), replicas=st.integers(1, 3), max_batch=st.integers(1, 4), one_dies=st.booleans())
@settings(deadline=None, max_examples=40)
async def test_no_inversions_and_every_job_ends_once(
    trace: list[Arrival], replicas: int, max_batch: int, one_dies: bool
) -> None:
    """Under random arrivals, cancellations, timeouts and a death no job is lost, doubled, or overtaken by its like."""
    bench = RouterBench(replicas=replicas, max_batch=max_batch)
    bench.replica.doomed = one_dies and replicas > 1
    callers = [asyncio.create_task(_call(bench, arrival)) for arrival in trace]
    outcomes = await bench.outcomes(callers)
    ends = (Picture, JobCancelledError, StartTimeoutError)
    assert all(isinstance(outcome, ends) for outcome in outcomes)
    sent = [job_id for replica in bench.replicas for _, group in replica.received for job_id in group]
    lost = {job_id for _, group in bench.replica.received for job_id in group} if bench.replica.is_dead else set()
    assert all(sent.count(job_id) <= 1 + (job_id in lost) for job_id in sent)
    assert all(len(step) <= max_batch for replica in bench.replicas for step in replica.steps)
    assert _inversions(bench, {arrival.job.job_id: arrival.job for arrival in trace}) == []
    await bench.router.close()
