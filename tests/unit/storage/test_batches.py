"""Group commit."""

import asyncio
from collections.abc import Sequence

import pytest
from fakes import settle

from app.errors import StoreUnavailableError
from app.storage.jobs.batches import MOST_AT_ONCE, Batches


class Ledger:
    """Writes down the batches it is given, once it may; odd ones out are refused."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.may_write = asyncio.Event()
        self.may_write.set()
        self.error: Exception | None = None

    async def write(self, numbers: Sequence[int]) -> list[int]:
        """Ten times each number."""
        self.batches.append(list(numbers))
        await self.may_write.wait()
        if self.error is not None:
            raise self.error
        if any(number < 0 for number in numbers):
            raise ValueError("negative")
        return [10 * number for number in numbers]


async def test_what_arrives_meanwhile_is_written_together() -> None:
    """The first goes alone; all that come while it is written share the next batch, in their order."""
    ledger = Ledger()
    ledger.may_write.clear()
    batches = Batches(ledger.write)
    calls = [asyncio.create_task(batches.do(1))]
    await settle()
    calls += [asyncio.create_task(batches.do(number)) for number in (2, 3, 4)]
    await settle()
    ledger.may_write.set()
    assert await asyncio.gather(*calls) == [10, 20, 30, 40]
    assert ledger.batches == [[1], [2, 3, 4]]


async def test_a_batch_has_a_limit() -> None:
    """Many calls at once become several batches."""
    ledger = Ledger()
    batches = Batches(ledger.write)
    await asyncio.gather(*(batches.do(number) for number in range(2 * MOST_AT_ONCE)))
    assert max(map(len, ledger.batches)) == MOST_AT_ONCE


async def test_one_that_fails_does_not_fail_the_others() -> None:
    """After a failed batch each is tried alone and gets its own answer."""
    ledger = Ledger()
    batches = Batches(ledger.write)
    answers = await asyncio.gather(*(batches.do(number) for number in (1, -2, 3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [int, ValueError, int]


async def test_an_unreachable_store_fails_everyone_at_once() -> None:
    """It is not asked again for each; the next call tries anew."""
    ledger = Ledger()
    ledger.error = StoreUnavailableError("gone")
    batches = Batches(ledger.write)
    answers = await asyncio.gather(*(batches.do(number) for number in (1, 2, 3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreUnavailableError] * 3
    assert ledger.batches == [[1, 2, 3]]
    ledger.error = None
    assert await batches.do(4) == 40


async def test_a_caller_that_leaves_does_not_stop_the_batch() -> None:
    """The others get their answers, and finish waits for all."""
    ledger = Ledger()
    ledger.may_write.clear()
    batches = Batches(ledger.write)
    leaving, staying = (asyncio.create_task(batches.do(number)) for number in (1, 2))
    await settle()
    leaving.cancel()
    ledger.may_write.set()
    await batches.finish()
    assert await staying == 20
    with pytest.raises(asyncio.CancelledError):
        await leaving
