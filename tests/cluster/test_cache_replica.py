"""The semantic cache's process dies under load: nobody notices but by a miss, and what it knew comes back."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import numpy as np
import psutil
import pytest
from serving import Serving, serving

from app.builtin.grammar import phrase, sample_demand
from app.cache_levels import CacheLevel

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(420)]

LONGEST_WAIT_S = 120
CHANGES = {
    "cache": {
        "level": "similar",
        "similar": {"max_false_hit_rate": 0.3, "encoder": "builtin:sketch", "floors": [0.99], "num_cpus": 0.2},
    },
    "variants": {"sketch": {"num_cpus": 0.2}},
}


class Callers:
    """Ask for pictures of some scenes in ever other words, until they are stopped; `refused` has what went wrong."""

    def __init__(self, url: str) -> None:
        self.answered = 0
        self.refused: list[str] = []
        self.levels: set[str] = set()
        self._url = url
        self._stop = threading.Event()

    @contextmanager
    def at_work(self, count: int) -> Iterator["Callers"]:
        """So many of them, until the block is left."""
        threads = [threading.Thread(target=self._ask, args=(number,)) for number in range(count)]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self._stop.set()
            for thread in threads:
                thread.join()

    def _ask(self, number: int) -> None:
        rng = np.random.default_rng(number)
        demands = [sample_demand(np.random.default_rng(scene)) for scene in range(12)]
        with httpx.Client(timeout=60, headers={"Authorization": f"Key caller {number}"}) as http:
            while not self._stop.is_set():
                prompt = phrase(demands[int(rng.integers(len(demands)))], rng)
                asked = {"prompt": prompt, "image_size": {"width": 64, "height": 64}}
                answer = http.post(f"{self._url}/run/fal-ai/flux/schnell", json=asked)
                if answer.status_code == httpx.codes.OK:
                    self.answered += 1
                    self.levels.add(answer.json()["receipts"][0]["cache"])
                else:
                    self.refused.append(f"{answer.status_code} {answer.text}")


def known(server: Serving) -> tuple[int, int]:
    """How many similar entries and how many audits the semantic cache has in memory; zeros while it does not answer."""
    answer = httpx.get(f"{server.url}/cache", timeout=60)
    records: list[dict[str, Any]] = answer.json()["similar"] if answer.is_success else []
    audits = [band["audits"] + band["served_audits"] for record in records for band in record["bands"]]
    return sum(record["entries"] for record in records if record["is_ready"]), sum(audits)


def until(is_true: Callable[[], bool]) -> None:
    """Wait for something; fails when it takes too long."""
    deadline_s = time.monotonic() + LONGEST_WAIT_S
    while not is_true():
        if time.monotonic() > deadline_s:
            raise TimeoutError
        time.sleep(0.5)


def replica_of(server: Serving) -> psutil.Process:
    """The process of the semantic cache."""
    family = psutil.Process(server.pid).children(recursive=True)
    return next(each for each in family if ":SemanticCache" in " ".join(each.cmdline()))


def test_it_comes_back_as_warm_as_it_was() -> None:
    """Its callers get pictures all the time, and the next process answers with what the shared store has kept."""
    with serving(CHANGES) as server, Callers(server.url).at_work(3) as callers:
        until(lambda: CacheLevel.SIMILAR in callers.levels)
        entries, audits = known(server)
        killed = replica_of(server)
        os.kill(killed.pid, signal.SIGKILL)
        callers.levels.clear()
        until(lambda: known(server) >= (entries, audits))
        until(lambda: CacheLevel.SIMILAR in callers.levels)
        replaced = replica_of(server)

    assert callers.refused == []
    assert (entries >= 10, audits >= 9) == (True, True)
    assert replaced.pid != killed.pid
