"""When a queued request is tried again."""

import pytest
from fakes import ServiceBench, make_request

from app.compound import CompoundRequest
from app.errors import DarkroomError, GenerationFailedError, ReplicaLostError
from app.handling import MOST_ATTEMPTS, Handling, Retries
from app.requests.patience import may_begin_again, may_try_again

LOST, BROKEN = ReplicaLostError("gone"), GenerationFailedError("no more memory")


@pytest.mark.parametrize(
    ("failures", "retries", "again"),
    [
        ([LOST] * 4, Retries(), True),
        ([LOST] * 5, Retries(), False),
        ([LOST], Retries(connection_error=0), False),
        ([LOST] * 6, Retries(connection_error=6), True),
        ([BROKEN], Retries(), False),
        ([BROKEN], Retries(server_error=1), True),
        ([BROKEN] * 2, Retries(server_error=1), False),
        ([LOST] * 4 + [BROKEN], Retries(server_error=1), True),
        ([BROKEN] * 9, Retries(server_error=99), True),
        ([BROKEN] * MOST_ATTEMPTS, Retries(server_error=99), False),
    ],
)
def test_the_rule(failures: list[DarkroomError], retries: Retries, again: bool) -> None:
    """Each kind of failure has its number; a lost process five attempts, the model's one, and all together ten."""
    assert may_try_again(failures, retries, max_attempts=5) is again


async def test_failures_are_tried_again_with_the_same_seed() -> None:
    """What the model could not do at first is done in the end, as if nothing had happened."""
    bench = ServiceBench()
    bench.generator.errors[3] = [BROKEN] * 2
    await bench.service.submit(make_request("a", seed=3, handling=Handling(retries=Retries(server_error=2))))
    await bench.clock.advance(60.0)

    assert (await bench.service.status("a")).error is None
    assert [job.spec.seed for job in bench.generator.runs] == [3, 3, 3]


async def test_no_retry() -> None:
    """A request that is to be begun once fails with the first lost process."""
    bench = ServiceBench()
    bench.generator.errors[3] = [LOST]
    await bench.service.submit(make_request("a", seed=3, handling=Handling(retries=Retries(0, 0))))
    await bench.clock.advance(60.0)

    assert (await bench.service.status("a")).error is LOST
    assert len(bench.generator.runs) == 1


def test_work_that_is_made_of_others_outlives_its_processes() -> None:
    """A batch goes on although more processes have died on its way than a picture may take with it."""
    batch = CompoundRequest(
        request_id="b", tenant="local", endpoint="batches", kind="batch", document="[]", base_url="http://here"
    )

    assert may_begin_again(batch, 99, max_attempts=5)
    assert not may_begin_again(batch, 100, max_attempts=5)
    assert may_begin_again(make_request("a"), 4, max_attempts=5)
    assert not may_begin_again(make_request("a"), 5, max_attempts=5)
