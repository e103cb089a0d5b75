"""Requests without a seed: answered by the picture of another wording, unless another picture is wanted."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from fakes import MemoryBlobStore, ServiceBench, make_request, settle

from app.cache.rows import PictureRows
from app.cache_levels import CacheLevel, CacheLimit
from app.errors import OverloadedError
from app.generation import Generation
from app.telemetry.events import CacheLookedUp

SEEDS = iter(range(1, 10_000))


def seedless(request_id: str, prompt: str = "a dot", *, caller: str = "", **changes: Any) -> Any:
    """A request whose seed was drawn for it."""
    wanted: dict[str, Any] = {"seed": next(SEEDS), "seed_is_free": True, "caller": caller or request_id}
    return make_request(request_id, prompt=prompt, **(wanted | changes))


def levels(*generations: Generation) -> list[CacheLevel]:
    """Where the first picture of each came from."""
    return [generation.pictures[0].receipt.cache for generation in generations]


async def test_another_wording_is_answered_by_the_same_picture() -> None:
    """The hit costs nothing, says so, and names the seed that drew the picture."""
    bench = ServiceBench()
    first = await bench.service.generate(seedless("first"))
    second = await bench.service.generate(seedless("second", "Could you please draw a dot?"))

    assert levels(first, second) == [CacheLevel.NONE, CacheLevel.CANONICAL]
    assert (second.pictures[0].blob_key, second.seed) == (first.pictures[0].blob_key, first.seed)
    assert (second.prompt, second.pictures[0].receipt.gpu_ms) == ("Could you please draw a dot?", 0.0)
    saved = [(event.level, event.gpu_ms_saved) for event in bench.recorder.of(CacheLookedUp)]
    assert saved == [(CacheLevel.NONE, 0.0), (CacheLevel.CANONICAL, 10.0)]


async def test_the_seed_of_a_hit_gives_its_picture_again() -> None:
    """What the answer says about its seed is true: naming it finds the picture in the words that drew it."""
    bench = ServiceBench()
    await bench.service.generate(seedless("first"))
    hit = await bench.service.generate(seedless("second", "A dot."))
    again = await bench.service.generate(make_request("third", prompt="a dot", seed=hit.seed))

    assert levels(again) == [CacheLevel.EXACT]
    assert again.pictures[0].blob_key == hit.pictures[0].blob_key


async def test_another_caller_in_the_same_words_is_answered() -> None:
    """Only a caller's own words are a wish for another picture."""
    bench = ServiceBench()
    answers = [await bench.service.generate(seedless(name, caller=name)) for name in ("ann", "bob")]

    assert levels(*answers) == [CacheLevel.NONE, CacheLevel.CANONICAL]


async def test_a_caller_that_repeats_itself_gets_a_fresh_picture() -> None:
    """It takes the place of the first one for everybody else."""
    bench = ServiceBench()
    first, second = [await bench.service.generate(seedless(name, caller="ann")) for name in ("first", "second")]
    other = await bench.service.generate(seedless("third", caller="bob"))

    assert levels(first, second, other) == [CacheLevel.NONE, CacheLevel.NONE, CacheLevel.CANONICAL]
    assert other.seed == second.seed != first.seed


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"seed_is_free": False}, id="a named seed"),
        pytest.param({"num_images": 2}, id="several pictures"),
        pytest.param({"cache": CacheLimit.EXACT}, id="exact only"),
        pytest.param({"cache": CacheLimit.OFF}, id="no cache"),
        pytest.param({"tenant": "other"}, id="another tenant"),
        pytest.param({"prompt": "two dots"}, id="another request"),
    ],
)
async def test_who_is_not_answered_by_another_wording(changes: dict[str, Any]) -> None:
    """A picture is made where the caller wants this one, several, or no other than its own."""
    bench = ServiceBench()
    await bench.service.generate(seedless("first"))
    answer = await bench.service.generate(seedless("second", **({"prompt": "A dot."} | changes)))

    assert levels(answer) == [CacheLevel.NONE]


async def test_who_wants_no_cache_leaves_nothing_in_it() -> None:
    """The picture is neither looked up nor remembered, nor shared while it is made."""
    bench = ServiceBench()
    private = replace(seedless("first"), cache=CacheLimit.OFF)
    bench.generator.may_finish.clear()
    callers = await bench.ask(private, replace(private, request_id="second"))
    bench.generator.may_finish.set()
    await asyncio.gather(*callers)
    await bench.service.generate(replace(private, request_id="third", cache=CacheLimit.CANONICAL))

    assert len(bench.generator.runs) == 3


@pytest.mark.parametrize(
    ("limit", "expected"),
    [
        (CacheLimit.CANONICAL, [CacheLevel.CANONICAL, CacheLevel.EXACT]),
        (CacheLimit.EXACT, [CacheLevel.NONE, CacheLevel.EXACT]),
        (CacheLimit.OFF, [CacheLevel.NONE, CacheLevel.NONE]),
    ],
)
async def test_the_server_sets_the_most_that_is_allowed(limit: CacheLimit, expected: list[CacheLevel]) -> None:
    """No request gets more than the configuration allows, whatever it wants."""
    bench = ServiceBench(cache_limit=limit)
    await bench.service.generate(seedless("first", seed=1))
    other_words = await bench.service.generate(seedless("second", "A dot.", seed=2))
    same_seed = await bench.service.generate(make_request("third", prompt="a dot", seed=1))

    assert levels(other_words, same_seed) == expected


async def test_wordings_under_way_share_the_work() -> None:
    """A second wording waits for the first one's picture instead of a second one."""
    bench = ServiceBench()
    bench.generator.may_finish.clear()
    callers = await bench.ask(seedless("first"), seedless("second", "A dot."))
    bench.generator.may_finish.set()
    first, second = await asyncio.gather(*callers)

    assert levels(first, second) == [CacheLevel.NONE, CacheLevel.JOINED]
    assert (len(bench.generator.runs), second.seed) == (1, first.seed)


async def test_a_caller_asking_twice_at_once_gets_two_pictures() -> None:
    """A repeat is one from the moment in which the first was asked."""
    bench = ServiceBench()
    bench.generator.may_finish.clear()
    callers = await bench.ask(seedless("first", caller="ann"), seedless("second", caller="ann"))
    bench.generator.may_finish.set()

    assert levels(*await asyncio.gather(*callers)) == [CacheLevel.NONE, CacheLevel.NONE]


async def test_a_request_that_tries_again_does_not_repeat_itself() -> None:
    """After a first attempt that found no room, another's picture still answers."""
    bench = ServiceBench()
    late = seedless("late", "A dot.", caller="ann")
    bench.generator.errors[late.spec.seed] = [OverloadedError("full", retry_after=5.0)]
    await bench.service.submit(late)
    await settle()
    await bench.service.generate(seedless("other", caller="bob"))
    await bench.clock.advance(6.0)

    assert levels((await bench.completed("late")).generation) == [CacheLevel.CANONICAL]


async def test_a_picture_whose_file_is_gone_answers_nobody() -> None:
    """Another wording is drawn when the stored picture cannot be read."""
    bench = ServiceBench()
    await bench.service.generate(seedless("first"))
    bench.blobs.files.clear()

    assert levels(await bench.service.generate(seedless("second", "A dot."))) == [CacheLevel.NONE]


async def test_another_process_knows_who_has_seen_what() -> None:
    """Drawn for, found by, or joined: after a restart each of these wants another picture, and others do not."""
    rows = MemoryBlobStore()
    before = ServiceBench(shared=PictureRows(rows))
    before.generator.may_finish.clear()
    callers = await before.ask(seedless("drawn", caller="ann"), seedless("joined", caller="bob"))
    before.generator.may_finish.set()
    await asyncio.gather(*callers)
    await before.service.generate(seedless("found", caller="carol"))
    await before.service.close()
    answers = []
    for caller in ("ann", "bob", "carol", "dave"):
        copy = MemoryBlobStore()
        copy.files = dict(rows.files)
        after = ServiceBench(shared=PictureRows(copy), blobs=before.blobs)
        answers.append(await after.service.generate(seedless("again", caller=caller)))
        await after.service.close()

    assert levels(*answers) == [CacheLevel.NONE, CacheLevel.NONE, CacheLevel.NONE, CacheLevel.CANONICAL]
