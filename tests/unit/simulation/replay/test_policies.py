"""What each policy answers: the literature's as described, ours no more than it promises."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from simulated_artist import COSTS, SimulatedArtist, ask_of

from app.builtin.grammar import parse
from app.cache.earned import EarningRule
from app.cache.eviction import Entry
from app.cache.similar import SimilarityPolicy
from app.cache.trajectories import Losses, ResumeRule, TrajectoryShelf, Tried
from app.cache_levels import CacheLimit
from app.simulation.replay import Outcome, Policy, replay
from app.simulation.replay.policies import (
    ApproximateCache,
    GreedyDualSize,
    KeyedCache,
    LeastFrequent,
    LeastRecent,
    Ours,
    QueueDemotion,
    ThresholdCache,
)
from app.simulation.replay.policies.eviction import Eviction
from app.simulation.workload import Ask, Change, Workload, stream

EVICTIONS = (LeastRecent, LeastFrequent, QueueDemotion, GreedyDualSize)
RULE = ResumeRule(floors=(0.5,), shares=(0.3, 0.5))
LIKE_EACH_OTHER = tuple(f"a red circle beside many other things {letter}" for letter in "bcdfgkmpx")
HARMLESS = Losses({(0, place): Tried(100) for place in range(2)})


async def played(policy: Policy, asks: list[Ask], artist: SimulatedArtist) -> Outcome:
    """The outcome over requests that come far apart, in the order given."""
    return await replay(asks, policy, artist=artist, costs=COSTS)


def far_apart(*prompts: str) -> list[Ask]:
    """Requests each of which comes when the one before is done."""
    return [ask_of(number, 100.0 * number, prompt) for number, prompt in enumerate(prompts)]


def ours(artist: SimulatedArtist, limit: CacheLimit, *, max_wrong: float = 0.5, losses: Losses | None = None) -> Ours:
    """Our cache, with trajectories where losses are known."""
    shelf = None
    if losses is not None:
        shelf = TrajectoryShelf(dimensions=artist.dimensions, rule=RULE, losses=losses, max_entries=100)
    similarity = SimilarityPolicy(floors=(0.9,), rule=EarningRule(max_false_hit_rate=max_wrong))
    return Ours(
        "ours", artist=artist, limit=limit, max_entries=100, similarity=similarity, shelf=shelf, draw=lambda: 0.99
    )


@pytest.mark.parametrize("make", EVICTIONS)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 8)), max_size=60))
def test_every_eviction_gives_back_what_it_was_given(
    make: Callable[[], Eviction], moves: list[tuple[bool, int]]
) -> None:
    """Whatever was touched between, each key leaves once, and none that was not there."""
    eviction, kept = make(), set[str]()
    for wants_room, number in moves:
        key = str(number)
        if key in kept:
            eviction.touch(key)
        else:
            eviction.insert(Entry(key=key, tenant="t", byte_count=1, gpu_ms=1.0))
            kept.add(key)
        if wants_room:
            gone = eviction.evict()
            assert gone in kept
            kept.remove(gone)
    assert {eviction.evict() for _ in range(len(kept))} == kept


@pytest.mark.parametrize("make", EVICTIONS)
async def test_caches_by_key_stay_within_their_bytes(make: Callable[[], Eviction]) -> None:
    """Room for two pictures keeps two, and answers the same prompt and seed alone."""
    artist, policy = SimulatedArtist(), KeyedCache(make(), max_bytes=250)
    outcome = await played(policy, far_apart("one", "two", "three", "four", "four"), artist)
    assert outcome.levels == {"drawn": 4, "exact": 1}
    assert (policy.byte_count, outcome.most_bytes) == (200, 200)


async def test_caches_by_key_part_tenants_and_seeds() -> None:
    """Neither another tenant's nor another seed's picture answers."""
    artist, policy = SimulatedArtist(), KeyedCache(LeastRecent(), max_bytes=10_000)
    asks = [ask_of(0, 0.0), ask_of(1, 100.0, tenant="other"), ask_of(2, 200.0, seed=5), ask_of(3, 300.0, seed=5)]
    outcome = await played(policy, asks, artist)
    assert [each.level for each in outcome.served] == ["drawn", "drawn", "drawn", "exact"]


async def test_a_threshold_serves_whatever_is_similar_enough() -> None:
    """Also what is wrong, which is then counted; dissimilar prompts are drawn."""
    artist = SimulatedArtist()
    policy = ThresholdCache("like others", artist=artist, threshold=0.8, max_entries=1)
    outcome = await played(policy, far_apart("a red circle", "a red circles", "zzz", "a red circle"), artist)
    assert [(each.level, each.right) for each in outcome.served] == [
        ("drawn", True),
        ("similar", False),
        ("drawn", True),
        ("drawn", True),
    ]


@pytest.mark.parametrize("renoised", [False, True])
async def test_approximate_caches_begin_later_the_more_similar(renoised: bool) -> None:
    """At the kept step nearest to the share; what began late is not begun on."""
    artist = SimulatedArtist()
    policy = ApproximateCache("like others", artist=artist, kept_steps=(1, 3, 5), renoised=renoised)
    outcome = await played(policy, far_apart("aab", "aab", "aabbb", "z"), artist)
    assert [each.level for each in outcome.served] == ["drawn", "resumed", "resumed", "drawn"]
    saved_s = 4 * COSTS.picture_s() - outcome.device_s
    assert saved_s == pytest.approx(5 + 3 - 2 * renoised)


async def test_ours_answers_other_words_but_no_named_seed_and_no_re_roll() -> None:
    """Canonical hits are for requests that leave the picture open, from callers who have not had it."""
    artist = SimulatedArtist()
    asks = [
        ask_of(0, 0.0, caller="me"),
        ask_of(1, 100.0, caller="me", change=Change.REROLL),
        ask_of(2, 200.0, "A red circle, please", caller="you"),
        ask_of(3, 300.0, seed=9),
        ask_of(4, 400.0, seed=9),
    ]
    outcome = await played(ours(artist, CacheLimit.CANONICAL), asks, artist)
    assert [each.level for each in outcome.served] == ["drawn", "drawn", "canonical", "drawn", "exact"]
    assert outcome.same_again == 0


async def test_ours_draws_for_a_crowd_once() -> None:
    """Who comes while the picture is made shares it."""
    artist = SimulatedArtist()
    asks = [ask_of(number, 0.1 * number) for number in range(5)]
    outcome = await played(ours(artist, CacheLimit.CANONICAL), asks, artist)
    assert outcome.levels == {"drawn": 1, "joined": 4}


async def test_ours_serves_what_is_similar_once_that_is_earned() -> None:
    """Five right audits in shadow, at most half of the hits wrong: then hits are served, judged before while few."""
    artist = SimulatedArtist(shows=lambda shown, prompt: True)
    policy = ours(artist, CacheLimit.SIMILAR, max_wrong=0.5)
    outcome = await played(policy, far_apart(*LIKE_EACH_OTHER), artist)
    assert outcome.levels == {"drawn": 6, "similar": len(LIKE_EACH_OTHER) - 6}
    assert policy.audits.shadow == {True: 5}
    assert policy.audits.served == {True: len(LIKE_EACH_OTHER) - 6}


async def test_ours_never_serves_what_is_similar_and_wrong() -> None:
    """Where the judge says no, everything is drawn, and nothing is tried twice for the same words."""
    artist = SimulatedArtist(shows=str.__eq__)
    policy = ours(artist, CacheLimit.SIMILAR, max_wrong=0.5)
    outcome = await played(policy, far_apart(*LIKE_EACH_OTHER), artist)
    assert outcome.levels == {"drawn": len(LIKE_EACH_OTHER)}
    assert not policy.audits.shadow[True]


async def test_ours_begins_late_only_where_that_was_measured() -> None:
    """Without losses from noise; with them as late as allowed, and never for a named seed."""
    artist = SimulatedArtist()
    asks = [*far_apart("aab", "aabb"), ask_of(2, 200.0, "aabb", seed=4)]
    unknown = await played(ours(artist, CacheLimit.OFF, losses=Losses()), asks, artist)
    assert unknown.levels == {"drawn": 3}
    known = await played(ours(artist, CacheLimit.OFF, losses=HARMLESS), asks, artist)
    assert [each.level for each in known.served] == ["drawn", "resumed", "drawn"]
    assert known.device_s == pytest.approx(3 * COSTS.picture_s() - 5)


async def test_ours_begins_a_re_roll_on_nothing_that_its_caller_has_seen() -> None:
    """Another picture is wanted, so it comes from noise or from somebody else's way."""
    artist = SimulatedArtist()
    asks = [ask_of(0, 0.0, caller="me"), ask_of(1, 100.0, caller="me", change=Change.REROLL), ask_of(2, 200.0)]
    outcome = await played(ours(artist, CacheLimit.OFF, losses=HARMLESS), asks, artist)
    assert [each.level for each in outcome.served] == ["drawn", "drawn", "resumed"]


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 10_000))
def test_ours_never_answers_wrongly_by_key(seed: int) -> None:
    """On any stream what is exact, canonical or shared shows what was asked for; no re-roll gets the same again."""
    artist = SimulatedArtist(shows=lambda shown, prompt: parse(shown) == parse(prompt))
    asks = list(stream(Workload(prompts=20), seed=seed, requests=60))
    outcome = asyncio.run(played(ours(artist, CacheLimit.CANONICAL), asks, artist))
    assert all(each.right for each in outcome.hits)
    assert outcome.same_again == 0
