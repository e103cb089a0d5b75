"""The requests of a workload in the order of their arrival."""

import heapq
from collections.abc import Iterator
from dataclasses import replace
from itertools import count, islice

import numpy as np

from app.builtin.demand import Demand
from app.builtin.grammar import phrase
from app.simulation.workload.arrivals import beginnings, steady
from app.simulation.workload.asking import Ask, Change
from app.simulation.workload.edits import with_another_attribute, with_another_detail, with_other_words
from app.simulation.workload.popularity import Topics
from app.simulation.workload.setting import Workload

_SEEDS = 2**31
_FAVOURITES = (0, 1, 42, 123, 1234)
_STEPS = (Change.REROLL, Change.DETAIL, Change.ATTRIBUTE, Change.PARAPHRASE, Change.NEW)


def stream(workload: Workload, *, seed: int, requests: int) -> tuple[Ask, ...]:
    """The first so many requests; equal arguments give equal streams, and a longer one begins with a shorter one."""
    topics = Topics(seed=seed, prompts=workload.prompts, zipf=workload.zipf, life_s=workload.topic_life_s)
    sources = heapq.merge(_people(workload, topics, seed), _crowds(workload, topics, seed), key=_arrival)
    return tuple(replace(ask, number=number) for number, ask in enumerate(islice(sources, requests)))


def _arrival(ask: Ask) -> float:
    return ask.arrival_s


def _people(workload: Workload, topics: Topics, seed: int) -> Iterator[Ask]:
    """The requests of all sessions by time: one that begins later has nothing earlier."""
    starts = beginnings(
        np.random.default_rng((seed, 1)),
        mean=workload.requests_per_s / workload.session_length,
        day_s=workload.day_s,
        peak_to_trough=workload.peak_to_trough,
    )
    under_way: list[tuple[float, int, Ask]] = []
    order = count()
    for number, start_s in enumerate(starts):
        while under_way and under_way[0][0] <= start_s:
            yield heapq.heappop(under_way)[2]
        for ask in _session(workload, topics, number, start_s, np.random.default_rng((seed, 2, number))):
            heapq.heappush(under_way, (ask.arrival_s, next(order), ask))


def _session(
    workload: Workload, topics: Topics, number: int, start_s: float, rng: np.random.Generator
) -> Iterator[Ask]:
    seeds = _Seeds(workload, rng)
    tenant, now_s = _tenant(workload, rng), start_s
    (demand, prompt), change = topics.draw(rng, now_s), Change.NEW
    for _ in range(int(rng.geometric(1 / workload.session_length))):
        yield _ask(now_s, tenant, f"person {number}", prompt, change, seeds.next(change))
        now_s += float(rng.exponential(workload.think_s))
        change = _STEPS[int(rng.choice(len(_STEPS), p=workload.changes))]
        demand, prompt = _changed(change, demand, prompt, topics, now_s, rng)


def _changed(
    change: Change, demand: Demand, prompt: str, topics: Topics, now_s: float, rng: np.random.Generator
) -> tuple[Demand, str]:
    if change is Change.NEW:
        return topics.draw(rng, now_s)
    if change is Change.PARAPHRASE:
        return demand, with_other_words(demand, prompt, rng)
    if change is Change.REROLL:
        return demand, prompt
    edit = with_another_detail if change is Change.DETAIL else with_another_attribute
    edited = edit(demand, rng)
    return edited, phrase(edited, rng)


class _Seeds:
    """The seeds of one session: named or not, and another one for each re-roll."""

    def __init__(self, workload: Workload, rng: np.random.Generator) -> None:
        self._rng = rng
        self._is_named = bool(rng.random() < workload.explicit_seeds)
        is_favourite = bool(rng.random() < workload.favourite_seeds)
        self._seed = int(rng.choice(_FAVOURITES)) if is_favourite else int(rng.integers(_SEEDS))

    def next(self, change: Change) -> tuple[int | None, int]:
        """The seed that is named, if any, and the one that a fresh picture is drawn with."""
        fresh = int(self._rng.integers(_SEEDS))
        if not self._is_named:
            return None, fresh
        if change is Change.REROLL:
            self._seed = fresh
        return self._seed, self._seed


def _crowds(workload: Workload, topics: Topics, seed: int) -> Iterator[Ask]:
    """Everybody of a tenant asks for the same, in the same words and for any picture."""
    rng, now_s, callers = np.random.default_rng((seed, 3)), 0.0, count()
    while True:
        now_s += float(rng.exponential(workload.crowd_every_s))
        tenant, (_, prompt) = _tenant(workload, rng), topics.draw(rng, now_s)
        rate = workload.crowd_rate * workload.requests_per_s
        for arrival_s in steady(rng, rate=rate, start_s=now_s, stop_s=now_s + workload.crowd_s):
            seeds = None, int(rng.integers(_SEEDS))
            yield _ask(arrival_s, tenant, f"crowd {next(callers)}", prompt, Change.CROWD, seeds)
        now_s += workload.crowd_s


def _tenant(workload: Workload, rng: np.random.Generator) -> str:
    shares = 1 / np.arange(1, workload.tenants + 1)
    return f"tenant {int(rng.choice(workload.tenants, p=shares / shares.sum()))}"


def _ask(arrival_s: float, tenant: str, caller: str, prompt: str, change: Change, seeds: tuple[int | None, int]) -> Ask:
    return Ask(
        number=0, arrival_s=arrival_s, tenant=tenant, caller=caller, prompt=prompt, seed=seeds[0],
        drawn_seed=seeds[1], change=change,
    )  # fmt: skip
