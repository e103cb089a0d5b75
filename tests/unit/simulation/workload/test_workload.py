"""Streams of requests: reproducible, in order, and as skewed, seeded and edited as they are set to be."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise, takewhile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.builtin.demand import Demand
from app.builtin.grammar import parse, phrase, sample_demand
from app.simulation.workload import Ask, Change, Workload, stream
from app.simulation.workload.arrivals import beginnings, rate_at
from app.simulation.workload.edits import with_another_attribute, with_another_detail, with_other_words
from app.simulation.workload.popularity import Topics

QUIET = Workload(crowd_every_s=1e9)


def asks(workload: Workload = QUIET, *, seed: int = 1, requests: int = 1500) -> tuple[Ask, ...]:
    """A stream, without crowds unless wanted."""
    return stream(workload, seed=seed, requests=requests)


def by_session(every: tuple[Ask, ...]) -> dict[str, list[Ask]]:
    """The requests of each caller, in order."""
    sessions: dict[str, list[Ask]] = {}
    for ask in every:
        sessions.setdefault(ask.caller, []).append(ask)
    return sessions


def demand_of(prompt: str) -> Demand:
    """What a prompt of the grammar demands."""
    demand = parse(prompt)
    assert demand is not None
    return demand


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 60))
def test_equal_seeds_give_equal_streams(seed: int, requests: int) -> None:
    """A longer stream begins with the shorter one, in order of arrival and numbered."""
    workload = Workload(prompts=100)
    longer = stream(workload, seed=seed, requests=requests + 5)
    assert stream(workload, seed=seed, requests=requests) == longer[:requests]
    assert [ask.number for ask in longer] == list(range(requests + 5))
    assert sorted(longer, key=lambda ask: ask.arrival_s) == list(longer)


def test_every_prompt_lies_in_the_grammar() -> None:
    """So that the judge has a word on each."""
    assert all(parse(ask.prompt) is not None for ask in asks())


def test_steps_of_sessions_come_in_their_shares() -> None:
    """Among the requests that are not the first of their session."""
    steps = Counter(ask.change for session in by_session(asks(requests=6000)).values() for ask in session[1:])
    shares = [steps[change] / steps.total() for change in (Change.REROLL, Change.DETAIL, Change.ATTRIBUTE)]
    assert shares == pytest.approx([0.35, 0.35, 0.15], abs=0.03)


def test_each_step_changes_what_it_says() -> None:
    """A re-roll keeps the words, other words keep the demand, and an edit changes it."""
    for session in by_session(asks()).values():
        for before, ask in pairwise(session):
            same = demand_of(before.prompt) == demand_of(ask.prompt)
            if ask.change is Change.REROLL:
                assert ask.prompt == before.prompt
            elif ask.change is Change.PARAPHRASE:
                assert same
            elif ask.change in (Change.DETAIL, Change.ATTRIBUTE):
                assert not same


def test_a_named_seed_stays_until_a_re_roll() -> None:
    """A session names seeds or does not; those that do vary the prompt under one seed."""
    for session in by_session(asks()).values():
        assert len({ask.seed is None for ask in session}) == 1
        for before, ask in pairwise(session):
            if ask.seed is not None:
                assert ask.seed == ask.drawn_seed
                assert (ask.seed == before.seed) == (ask.change is not Change.REROLL)


def test_seeds_are_named_in_their_share_of_the_sessions() -> None:
    """And half of those are seeds that others use too."""
    firsts = [session[0].seed for session in by_session(asks(requests=6000)).values()]
    named = [seed for seed in firsts if seed is not None]
    assert len(named) / len(firsts) == pytest.approx(0.3, abs=0.04)
    assert sum(seed in (0, 1, 42, 123, 1234) for seed in named) / len(named) == pytest.approx(0.5, abs=0.08)


def test_a_crowd_asks_for_one_prompt() -> None:
    """Its callers are different people of one tenant, ten times as many as usual for a minute."""
    every = asks(Workload(crowd_every_s=2000.0), requests=1500)
    crowd = [ask for ask in every if ask.change is Change.CROWD]
    times = Counter((ask.tenant, ask.prompt) for ask in crowd)
    ((tenant, prompt), size), *_ = times.most_common(1)
    arrivals = [ask.arrival_s for ask in crowd if (ask.tenant, ask.prompt) == (tenant, prompt)]
    assert len({ask.caller for ask in crowd}) == len(crowd)
    assert size == pytest.approx(150, abs=50)
    assert max(arrivals) - min(arrivals) <= 60


def test_few_prompts_are_asked_by_many() -> None:
    """The steeper the law of popularity, the larger the share of the most popular prompt."""
    shares = []
    for zipf in (0.0, 0.8, 1.2):
        firsts = [session[0].prompt for session in by_session(asks(replace(QUIET, zipf=zipf, prompts=1000))).values()]
        shares.append(Counter(firsts).most_common(1)[0][1] / len(firsts))
    assert shares == sorted(shares)
    assert shares[0] < shares[2]


def test_topics_change_one_after_the_other() -> None:
    """Within a life every rank gets another prompt, at a time of its own; nothing changes in no time."""
    topics = Topics(seed=3, prompts=100, zipf=1.0, life_s=100.0)
    now, half, later = ([topics.at(rank, at_s) for rank in range(100)] for at_s in (0.0, 50.0, 100.0))
    assert now == [topics.at(rank, 0.0) for rank in range(100)]
    changed = sum(before != after for before, after in zip(now, half, strict=True))
    assert 30 <= changed <= 70
    assert sum(before != after for before, after in zip(now, later, strict=True)) >= 95


def test_the_rate_swings_over_the_day() -> None:
    """Its highest value is so many times its lowest, and its mean is the mean."""
    rates = [rate_at(at_s, mean=2.0, day_s=100.0, peak_to_trough=3.0) for at_s in range(100)]
    assert max(rates) / min(rates) == pytest.approx(3.0)
    assert np.mean(rates) == pytest.approx(2.0)


def test_more_sessions_begin_at_the_peak() -> None:
    """The middle of the day is busier than its ends, as much as the rate says."""
    times = beginnings(np.random.default_rng(0), mean=1.0, day_s=10_000.0, peak_to_trough=3.0)
    day = list(takewhile(lambda at_s: at_s < 10_000, times))
    middle = sum(2500 <= at_s < 7500 for at_s in day)
    assert middle / (len(day) - middle) == pytest.approx((np.pi + 1) / (np.pi - 1), rel=0.1)


@given(st.integers(0, 2**31))
def test_edits_stay_in_the_grammar_and_change_the_demand(seed: int) -> None:
    """A detail or an attribute makes another demand, other words the same."""
    rng = np.random.default_rng(seed)
    demand = sample_demand(rng)
    prompt = phrase(demand, rng)
    assert parse(with_other_words(demand, prompt, rng)) == demand
    for edit in (with_another_detail, with_another_attribute):
        edited = edit(demand, rng)
        assert edited != demand
        assert parse(phrase(edited, rng)) == edited
