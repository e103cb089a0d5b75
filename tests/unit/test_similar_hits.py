"""Requests answered with the pictures of similar ones: who is, who is not, and what the answer says."""

import asyncio
from typing import Any

import pytest
from fakes import ServiceBench, make_request, settle
from similar_fakes import OTHER_WORDS, SimilarBench

from app.cache.similar import SimilarCache
from app.cache_levels import CacheLevel, CacheLimit
from app.generation import Generation
from app.telemetry.events import CacheLookedUp

SEEDS = iter(range(1, 10_000))


def seedless(request_id: str, prompt: str, **changes: Any) -> Any:
    """A request whose seed was drawn for it."""
    wanted: dict[str, Any] = {"seed": next(SEEDS), "seed_is_free": True, "caller": request_id, "tenant": "ann"}
    return make_request(request_id, prompt=prompt, **(wanted | changes))


class Watched:
    """A cache of similar prompts that tells when nobody is inside."""

    def __init__(self, cache: SimilarCache) -> None:
        self._cache = cache
        self._inside = 0
        self._left = asyncio.Event()

    def __getattr__(self, name: str) -> Any:
        """The cache's own method, watched."""
        method = getattr(self._cache, name)

        async def watched(*arguments: Any) -> Any:
            self._inside += 1
            try:
                return await method(*arguments)
            finally:
                self._inside -= 1
                self._left.set()

        return watched

    async def rest(self) -> None:
        """Wait until everything that was begun has ended."""
        await settle()
        while self._inside:
            self._left.clear()
            await self._left.wait()
        await self._cache.rest()


class Earned:
    """A service whose similarity has earned its right with a red cat."""

    def __init__(self, limit: CacheLimit = CacheLimit.SIMILAR) -> None:
        self.similar = SimilarBench()
        self.watched = Watched(self.similar.cache)
        self.bench = ServiceBench(cache_limit=limit, similar=self.watched, blobs=self.similar.blobs)

    async def earn(self) -> Generation:
        """Ask for the cat in many words; the first answer."""
        first = await self.ask("a red cat")
        for word in OTHER_WORDS:
            await self.ask(f"a red cat {word}")
        return first

    async def ask(self, prompt: str, **changes: Any) -> Generation:
        """The answer to a new caller, once everything behind it is done."""
        answer = await self.bench.service.generate(seedless(f"request {next(SEEDS)}", prompt, **changes))
        await self.watched.rest()
        return answer


async def test_a_similar_request_is_answered_once_that_is_earned() -> None:
    """The receipt names the entry, its similarity and the bound; the picture is the stored one and costs nothing."""
    earned = Earned()
    await earned.earn()
    runs = len(earned.bench.generator.runs)
    earned.bench.generator.may_start.clear()
    answer = await earned.ask("a red cat somewhere")
    receipt = answer.pictures[0].receipt

    assert (receipt.cache, receipt.gpu_ms) == (CacheLevel.SIMILAR, 0.0)
    assert receipt.similar is not None
    assert (receipt.similar.similarity, receipt.similar.audits) == (pytest.approx(0.866, abs=1e-3), 9)
    assert len(earned.bench.generator.runs) == runs + 1
    assert earned.bench.recorder.of(CacheLookedUp)[-1].gpu_ms_saved == 10.0


async def test_the_job_leaves_the_queue() -> None:
    """While it waited there, a similar picture was found."""
    earned = Earned()
    await earned.earn()
    earned.bench.generator.may_start.clear()
    await earned.ask("a red cat somewhere")
    await settle()

    assert earned.bench.generator.cancelled == [earned.bench.generator.runs[-1].job_id]


async def test_before_it_is_earned_everybody_gets_a_new_picture() -> None:
    """Nothing is answered from similar prompts in shadow."""
    earned = Earned()
    await earned.ask("a red cat")

    assert (await earned.ask("a red cat somewhere")).pictures[0].receipt.cache is CacheLevel.NONE


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"seed_is_free": False}, id="a named seed"),
        pytest.param({"num_images": 2}, id="several pictures"),
        pytest.param({"cache": CacheLimit.CANONICAL}, id="canonical at most"),
        pytest.param({"tenant": "bob"}, id="another tenant"),
        pytest.param({"ephemeral": True}, id="a request to be forgotten"),
        pytest.param({"width": 128, "native_width": 128}, id="another size"),
        pytest.param({"negative_prompt": "a dog"}, id="another negative prompt"),
        pytest.param({"prompt": "a blue house"}, id="another prompt"),
    ],
)
async def test_who_is_never_answered_with_a_similar_picture(changes: dict[str, Any]) -> None:
    """An explicit seed means exactly that picture, and nobody gets more than was asked for or is its own."""
    earned = Earned()
    await earned.earn()
    prompt = changes.pop("prompt", "a red cat somewhere")

    assert (await earned.ask(prompt, **changes)).pictures[0].receipt.cache is CacheLevel.NONE


async def test_the_server_has_the_last_word() -> None:
    """Where the configuration allows other wordings at most, similar prompts are not even remembered."""
    earned = Earned(CacheLimit.CANONICAL)
    await earned.earn()

    assert await earned.similar.cache.stats() == ()


async def test_a_similar_picture_is_remembered_for_no_other_request() -> None:
    """The seed that was drawn for the request still draws the picture of its own prompt."""
    earned = Earned()
    await earned.earn()
    request = seedless("first", "a red cat somewhere")
    earned.bench.generator.may_start.clear()
    hit = await earned.bench.service.generate(request)
    earned.bench.generator.may_start.set()
    named = make_request("second", prompt="a red cat somewhere", seed=request.spec.seed, tenant="ann")
    drawn = await earned.bench.service.generate(named)

    assert hit.pictures[0].receipt.cache is CacheLevel.SIMILAR
    assert drawn.pictures[0].receipt.cache is CacheLevel.NONE


async def test_who_joins_is_answered_alike() -> None:
    """Callers that wait for the same work get the similar picture with the same evidence."""
    earned = Earned()
    await earned.earn()
    earned.bench.generator.may_start.clear()
    requests = [seedless(name, "a red cat somewhere") for name in ("one", "two")]
    answers = await asyncio.gather(*(earned.bench.service.generate(request) for request in requests))

    receipts = [answer.pictures[0].receipt for answer in answers]
    assert [receipt.cache for receipt in receipts] == [CacheLevel.SIMILAR] * 2
    assert receipts[0].similar == receipts[1].similar
