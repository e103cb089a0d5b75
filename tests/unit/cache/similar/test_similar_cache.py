"""SimilarCache: who is answered, who is judged, and what outlives a process."""

import asyncio
import dataclasses

from fakes import MemoryBlobStore, Recorder
from similar_fakes import OTHER_WORDS, SimilarBench, WordEncoder, asked, drawn

from app.cache.similar import Action
from app.cache.takedown import Takedown
from app.telemetry.events import SimilarJudged


async def test_in_shadow_nobody_is_answered() -> None:
    """Would-be hits are judged in the background, and nothing is served."""
    bench = SimilarBench()
    picture = await bench.add("a red cat")
    found = await bench.cache.find(asked("a red cat here"))
    await bench.cache.rest()

    assert found is None
    assert bench.judge.asked[-1] == (picture.blob_key, "a red cat here")


async def test_right_answers_earn_the_right_to_serve() -> None:
    """The receipt then says which entry, how similar, and what is known about the hits of its kind."""
    bench = SimilarBench()
    picture = await bench.add("a red cat")
    await bench.earn()
    found = await bench.cache.find(asked("a red cat there"))

    assert found is not None
    assert found.picture == picture
    assert found.evidence.similarity > 0.7
    assert (found.evidence.audits, found.evidence.bound <= 0.3) == (9, True)


async def test_one_wrong_answer_delays_it() -> None:
    """After an error the first look fails, so twice as many audits are needed."""
    bench = SimilarBench()
    bench.judge.wrong = {"a red cat again"}
    await bench.add("a red cat")
    await bench.earn()

    assert await bench.cache.find(asked("a red cat there")) is None


async def test_an_audited_hit_that_is_wrong_is_not_served() -> None:
    """It is judged before anybody sees it, and never nominated for that prompt again."""
    bench = SimilarBench()
    await bench.add("a red cat")
    await bench.earn()
    bench.judge.wrong = {"a red cat upside"}
    bench.draw = 0.0
    first = await bench.cache.find(asked("a red cat upside"))
    bench.draw = 0.99
    judged = len(bench.judge.asked)
    second = await bench.cache.find(asked("a red cat upside"))

    assert (first, second) == (None, None)
    assert len(bench.judge.asked) == judged


async def test_the_breaker_sends_it_back_into_shadow() -> None:
    """Wrong audits in service end the serving, and observers hear of both changes."""
    recorder = Recorder()
    bench = SimilarBench(observe=recorder)
    await bench.add("a red cat")
    await bench.earn()
    bench.draw = 0.0
    prompts = [f"a red cat {'so ' * number}odd" for number in range(8)] + [f"{word} a red cat" for word in OTHER_WORDS]
    bench.judge.wrong = set(prompts)
    for prompt in prompts:
        await bench.cache.find(asked(prompt))
        await bench.cache.rest()
    bench.draw = 0.99

    assert await bench.cache.find(asked("a red cat there")) is None
    changes = [event.state for event in recorder.of(SimilarJudged) if event.changed]
    assert changes == ["earned", "shadow"]


async def test_what_cannot_be_judged_is_never_answered() -> None:
    """Such prompts belong to no audited population."""
    bench = SimilarBench()
    await bench.add("a red cat")
    await bench.earn()

    assert await bench.cache.find(asked("a red cat mystery")) is None


async def test_a_picture_that_does_not_show_its_own_prompt_is_no_entry() -> None:
    """It would show no other one either."""
    bench = SimilarBench()
    bench.judge.wrong = {"a red cat"}
    await bench.add("a red cat")

    assert await bench.cache.explain("a red cat here", tenant="ann") == ()


async def test_a_namespace_knows_nothing_of_another() -> None:
    """Another tenant, revision or size has neither the entries nor what was earned."""
    bench = SimilarBench()
    await bench.add("a red cat")
    await bench.earn()
    others = [
        asked("a red cat there", tenant="bob"),
        asked("a red cat there", revision="2"),
        asked("a red cat there", shape="other"),
    ]

    assert [await bench.cache.find(each) for each in others] == [None, None, None]
    assert await bench.cache.explain("a red cat there", tenant="bob") == ()


async def test_a_picture_whose_file_is_gone_answers_nobody() -> None:
    """Its entry goes too."""
    bench = SimilarBench()
    picture = await bench.add("a red cat")
    await bench.earn()
    await bench.blobs.delete(picture.blob_key)

    assert await bench.cache.find(asked("a red cat there")) is None
    assert await bench.cache.explain("a red cat there", tenant="ann") == ()


async def test_another_process_goes_on_where_one_ended() -> None:
    """It reads the namespace from the shared store when it is first asked, which itself is a miss, and then serves."""
    blobs = MemoryBlobStore()
    before = SimilarBench(blobs=blobs)
    picture = await before.add("a red cat")
    await before.earn()
    await before.cache.close()
    after = SimilarBench(blobs=blobs)
    first = await after.cache.find(asked("a red cat there"))
    await after.cache.rest()
    second = await after.cache.find(asked("a red cat there"))

    assert first is None
    assert second is not None
    assert second.picture == picture
    assert after.encoder.batches == [["a red cat there"]]


async def test_another_encoder_earns_anew() -> None:
    """Entries are encoded again, but what was shown with another encoder shows nothing."""
    blobs = MemoryBlobStore()
    before = SimilarBench(blobs=blobs)
    await before.add("a red cat")
    await before.earn()
    await before.cache.close()
    after = SimilarBench(blobs=blobs, encoder=WordEncoder("words 2"))
    await after.cache.find(asked("a red cat there"))
    await after.cache.rest()

    (considered,) = await after.cache.explain("a red cat there", tenant="ann")
    assert (considered.prompt, considered.action) == ("a red cat", Action.SHADOW)


async def test_a_store_that_fails_is_read_again() -> None:
    """Misses meanwhile, no errors, and the namespace comes in when it can be read."""

    class Failing(MemoryBlobStore):
        """Cannot list its files at first."""

        fails = True

        async def keys(self, folder: str) -> tuple[str, ...]:
            """The keys, once that works."""
            if self.fails:
                raise OSError("unreachable")
            return await super().keys(folder)

    before = SimilarBench()
    await before.add("a red cat")
    await before.earn()
    await before.cache.rest()
    blobs = Failing()
    blobs.files = before.blobs.files
    after = SimilarBench(blobs=blobs)
    for _ in range(2):
        assert await after.cache.find(asked("a red cat there")) is None
        await after.cache.rest()
    blobs.fails = False
    await after.cache.find(asked("a red cat there"))
    await after.cache.rest()

    assert await after.cache.find(asked("a red cat there")) is not None


async def test_it_keeps_no_more_than_it_may() -> None:
    """What gives way is gone from the shared store as well."""
    bench = SimilarBench(max_entries=2)
    for word in ("one", "two", "three", "four"):
        await bench.add(f"a {word}")
    rows = await bench.blobs.keys("cache/similar")

    assert len(rows) == 2
    assert sum(record.entries for record in await bench.cache.stats()) == 2


async def test_it_explains_without_changing_anything() -> None:
    """Every nominee is named with its action or with what speaks against it."""
    bench = SimilarBench()
    await bench.add("a red cat")
    await bench.add("a cat red")
    before = (await bench.cache.stats(), len(bench.judge.asked))
    considered = await bench.cache.explain("a red cat here", tenant="ann")

    assert {each.prompt: each.action for each in considered} == {"a red cat": Action.SHADOW, "a cat red": Action.REFUSE}
    assert {each.prompt: each.reason for each in considered}["a cat red"].endswith("in another order")
    assert (await bench.cache.stats(), len(bench.judge.asked)) == before


async def test_absent_and_foreign_entries_cost_the_same() -> None:
    """A question does the same work whether its prompt is stored by nobody or by another tenant."""

    class Counting(MemoryBlobStore):
        """Counts what is done with files."""

        def __init__(self) -> None:
            super().__init__()
            self.done: list[str] = []

        async def read(self, key: str) -> bytes:
            """The bytes under the key."""
            self.done.append("read")
            return await super().read(key)

        async def keys(self, folder: str) -> tuple[str, ...]:
            """The keys below the folder."""
            self.done.append("keys")
            return await super().keys(folder)

        async def exists(self, key: str) -> bool:
            """Whether the key is there."""
            self.done.append("exists")
            return await super().exists(key)

    blobs = Counting()
    bench = SimilarBench(blobs=blobs)
    await bench.add("a red cat", tenant="bob")
    await bench.earn(tenant="bob")
    work = []
    for number, prompt in enumerate(("a red cat there", "a blue house there")):
        blobs.done.clear()
        calls = len(bench.encoder.batches), len(bench.judge.asked)
        await bench.cache.find(asked(prompt, tenant=f"ann {number}"))
        await bench.cache.rest()
        after = len(bench.encoder.batches), len(bench.judge.asked)
        work.append((sorted(blobs.done), after[0] - calls[0], after[1] - calls[1]))

    assert work[0] == work[1]


async def test_the_cost_of_the_entry_decides_what_stays() -> None:
    """Entries that cost more device time are kept before others."""
    bench = SimilarBench(max_entries=3)
    for number in range(3):
        await bench.add(f"cheap {number}")
    picture = await drawn(bench.blobs, "dear.png")
    dear = dataclasses.replace(picture, receipt=dataclasses.replace(picture.receipt, gpu_ms=10_000.0))
    await bench.cache.add(asked("a dear one"), dear)
    for number in range(3, 6):
        await bench.add(f"cheap {number}")

    assert any(each.prompt == "a dear one" for each in await bench.cache.explain("a dear one", tenant="ann"))


async def test_an_audit_on_demand_judges_stored_prompts() -> None:
    """Each is asked as if it were new; the nearest other one answers, and nothing is earned by it."""
    bench = SimilarBench()
    for prompt in ("a red cat", "a red cat here", "a blue house", "a blue house now"):
        await bench.add(prompt)
    bench.judge.wrong = {"a red cat"}
    (audit,) = await bench.cache.audit(100)

    assert (audit.floor, audit.judged, audit.wrong) == (0.7, 4, 1)
    assert audit.bound > 0.25
    assert [band.audits for record in await bench.cache.stats() for band in record.bands] == [0]


async def test_idle_namespaces_leave_memory() -> None:
    """Beyond their number the one asked for longest ago goes, and comes back from the shared store when asked for."""
    bench = SimilarBench(max_namespaces=2)
    for tenant in ("ann", "bob", "carol"):
        await bench.add("a red cat", tenant=tenant)
    tenants = {record.namespace.tenant for record in await bench.cache.stats()}
    await bench.cache.find(asked("a red cat here", tenant="ann"))
    await bench.cache.rest()

    assert tenants == {"bob", "carol"}
    assert len(await bench.cache.explain("a red cat here", tenant="ann")) == 1


async def test_only_hits_that_were_taken_count() -> None:
    """What was found but came too late for its request is no hit."""
    bench = SimilarBench()
    await bench.add("a red cat")
    await bench.earn()
    bench.draw = 0.9999
    await bench.hit_often(200)
    late = await bench.cache.find(asked("a red cat there"))
    taken = await bench.cache.find(asked("a red cat there"))
    assert late is not None
    assert taken is not None
    before = await bench.hits()
    await bench.cache.taken(asked("a red cat there"), taken)

    assert (taken.was_audited, await bench.hits() - before) == (False, 1)


async def test_an_audited_hit_counts_by_its_audit() -> None:
    """It is not counted a second time when it is taken."""
    bench = SimilarBench()
    await bench.add("a red cat")
    await bench.earn()
    bench.draw = 0.0
    found = await bench.cache.find(asked("a red cat there"))
    assert found is not None
    await bench.cache.taken(asked("a red cat there"), found)

    assert (found.was_audited, await bench.hits()) == (True, 1)


async def test_a_takedown_meets_what_is_on_its_way() -> None:
    """An entry that was being judged when its prompt was taken down is not remembered."""
    bench = SimilarBench()
    picture = await drawn(bench.blobs, "a.png")
    adding = asyncio.create_task(bench.cache.add(asked("a red cat"), picture))
    await asyncio.sleep(0)
    await bench.cache.purge(Takedown(prompt="a red cat"))
    await adding
    await bench.cache.rest()

    assert await bench.cache.explain("a red cat", tenant="ann") == ()
    assert await bench.blobs.keys("cache/similar") == ()
