"""The replicas of one deployment as a discrete-event simulation: arrivals, batches, cold starts, draining, billing."""

import heapq
import math
from collections import deque
from collections.abc import Sequence

from app.autoscaling.observation import Observation
from app.simulation.scaling.nodes import NodePool
from app.simulation.scaling.randomness import spread
from app.simulation.scaling.scenario import Scenario


class Fleet:
    """One queue, first in first out, before equal replicas; an idle one takes as many waiting requests as it may.

    Replicas are paid for from their order to the end of their draining. Fewer are reached by cancelling the youngest
    cold start, then by stopping idle ones, then by draining the busy ones that finish first.
    """

    def __init__(self, scenario: Scenario, arrivals_s: Sequence[float], *, seed: int) -> None:
        curve, self._scenario = scenario.curve, scenario
        self._arrivals = [*arrivals_s, math.inf]
        self._sizes = range(curve.max_batch + 1)
        self._seconds = [curve.seconds(size) for size in self._sizes]
        self._service = spread((seed, 1), scenario.service_spread)
        self._start = spread((seed, 2), scenario.cold_start_spread)
        self._nodes = NodePool(scenario.nodes)
        self._queue: deque[float] = deque()
        self._events: list[tuple[float, int, list[float] | None]] = [(math.inf, 0, None)]
        self._starting: dict[int, float] = {}
        self._number = 0
        self._arrived = self._finished = self._late = 0
        self._idle, self._busy, self._draining = scenario.min_replicas, 0, 0
        self._target = scenario.min_replicas
        self._running = 0
        self._paid_until_s, self._paid_s = 0.0, 0.0
        self.cold_starts = 0
        self._nodes.place(scenario.min_replicas, -math.inf)

    @property
    def replicas(self) -> int:
        """Replicas that are paid for: starting, serving and draining."""
        return len(self._starting) + self._idle + self._busy

    @property
    def ready(self) -> int:
        """Replicas that take work."""
        return self._idle + self._busy - self._draining

    @property
    def target(self) -> int:
        """Replicas wanted."""
        return self._target

    @property
    def paid_s(self) -> float:
        """Replica-seconds paid for so far."""
        return self._paid_s

    def observe(self, now_s: float) -> Observation:
        """The numbers of this moment."""
        self._give_up(now_s)
        return Observation(
            now_s=now_s, measured_at_s=now_s, arrived=self._arrived, finished=self._finished, late=self._late,
            queued=len(self._queue), running=self._running, ready=self.ready, starting=len(self._starting),
            target=self._target,
        )  # fmt: skip

    def advance(self, until_s: float) -> None:
        """Let everything happen that happens before `until_s`."""
        arrivals, events, queue = self._arrivals, self._events, self._queue
        while True:
            arrival_s, event_s = arrivals[self._arrived], events[0][0]
            if arrival_s <= event_s:
                if arrival_s >= until_s:
                    break
                self._arrived += 1
                queue.append(arrival_s)
                if self._idle:
                    self._begin(arrival_s)
            else:
                if event_s >= until_s:
                    break
                _, number, batch = heapq.heappop(events)
                if batch is None:
                    self._become_ready(number, event_s)
                else:
                    self._finish(batch, event_s)
        self._pay(until_s)

    def drain(self) -> None:
        """Let the work that is there be done, or given up where nobody is left to do it."""
        while len(self._events) > 1 and (self._queue or self._busy):
            self.advance(math.nextafter(self._events[0][0], math.inf))
        self._give_up(math.inf)

    def scale(self, target: int, now_s: float) -> None:
        """Order or give up replicas, so that starting and serving ones together number `target`."""
        self._pay(now_s)
        self._target = target
        surplus = len(self._starting) + self.ready - target
        for _ in range(-surplus):
            self._order(now_s)
        if surplus > 0:
            self._release(surplus)

    def _order(self, now_s: float) -> None:
        self._number += 1
        self.cold_starts += 1
        self._starting[self._number] = now_s
        began_s = self._nodes.place(self.replicas, now_s)
        ready_s = began_s + self._scenario.cold_start_s * next(self._start)
        heapq.heappush(self._events, (ready_s, self._number, None))

    def _release(self, surplus: int) -> None:
        while surplus and self._starting:
            self._starting.popitem()
            surplus -= 1
        stopped = min(surplus, self._idle)
        self._idle -= stopped
        self._draining += surplus - stopped
        self._nodes.keep(self.replicas)

    def _become_ready(self, number: int, now_s: float) -> None:
        if self._starting.pop(number, None) is None:
            return
        self._idle += 1
        self._begin(now_s)

    def _begin(self, now_s: float) -> None:
        queue = self._queue
        self._give_up(now_s)
        while queue and self._idle:
            batch = [queue.popleft() for _ in range(min(len(queue), len(self._sizes) - 1))]
            self._number += 1
            self._idle -= 1
            self._busy += 1
            self._running += len(batch)
            done_s = now_s + self._seconds[len(batch)] * next(self._service)
            heapq.heappush(self._events, (done_s, self._number, batch))

    def _finish(self, batch: list[float], now_s: float) -> None:
        due_s = now_s - self._scenario.objective_s
        self._finished += len(batch)
        self._late += sum(arrival_s < due_s for arrival_s in batch)
        self._running -= len(batch)
        if self._draining:
            self._pay(now_s)
            self._busy -= 1
            self._draining -= 1
            self._nodes.keep(self.replicas)
            return
        self._busy -= 1
        self._idle += 1
        if self._queue:
            self._begin(now_s)

    def _give_up(self, now_s: float) -> None:
        queue, oldest_s = self._queue, now_s - self._scenario.patience_s
        while queue and queue[0] < oldest_s:
            queue.popleft()
            self._finished += 1
            self._late += 1

    def _pay(self, now_s: float) -> None:
        if now_s > self._paid_until_s:
            self._paid_s += self.replicas * (now_s - self._paid_until_s)
            self._paid_until_s = now_s
