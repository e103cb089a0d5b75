"""Queued requests and their webhooks: what is complete is told, once, whatever it came to."""

from dataclasses import replace

import pytest
from fakes import FakeClock, ServiceBench, make_request, settle

from app.errors import AlreadyCompletedError, BadRequestError
from app.generation import GenerationRequest
from app.handling import Webhook
from app.requests.webhooks import News, news_in
from app.storage.jobs import Keeping, MemoryJobStore

HOOK = Webhook("https://receiver.example/hook", "http://darkroom")


def watched(request_id: str) -> GenerationRequest:
    """A request that somebody wants to be told about."""
    return replace(make_request(request_id), webhook=HOOK)


class Bench(ServiceBench):
    """A service whose outbox can be looked into."""

    def __init__(self) -> None:
        super().__init__(open_jobs=self._open)

    def _open(self, clock: FakeClock) -> MemoryJobStore:
        self.outbox = MemoryJobStore(Keeping(ttl_s=3600, max_completed=100), clock=clock)
        return self.outbox


async def told(bench: Bench) -> list[News]:
    """What is in the outbox."""
    return [news_in(message) for message in await bench.outbox.due(10, lease_s=0)]


async def test_nothing_is_told_before_the_end() -> None:
    """The message comes with the completion, not before."""
    bench = Bench()
    bench.generator.may_finish.clear()
    await bench.service.submit(watched("a"))
    await settle()
    before = await told(bench)
    bench.generator.may_finish.set()
    completed = await bench.completed("a")

    assert before == []
    assert [(news.view.generation, news.cdn) for news in await told(bench)] == [(completed.generation, HOOK.cdn)]
    await bench.service.close()


async def test_who_asked_for_nothing_is_told_nothing() -> None:
    """A request without a webhook leaves the outbox as it was."""
    bench = Bench()
    await bench.service.submit(make_request("a"))
    await bench.completed("a")

    assert await told(bench) == []
    await bench.service.close()


async def test_a_refusal_is_told() -> None:
    """A request that was refused before any work is complete, and is told about."""
    bench = Bench()
    await bench.service.record_failure("a", "fal-ai/flux/dev", BadRequestError("no"), webhook=HOOK)

    (news,) = await told(bench)
    assert news.view.error is not None
    assert news.view.error.detail == "no"
    await bench.service.close()


async def test_of_a_cancellation_and_a_result_one_is_told() -> None:
    """A request that is cancelled when it is complete has told its result, and tells nothing more."""
    bench = Bench()
    await bench.service.submit(watched("a"))
    await bench.completed("a")
    with pytest.raises(AlreadyCompletedError):
        await bench.service.cancel("a")
    await bench.service.submit(watched("b"))
    await bench.service.cancel("b")
    await settle()

    assert [(news.view.request_id, news.view.error is None) for news in await told(bench)] == [
        ("a", True),
        ("b", False),
    ]
    await bench.service.close()
