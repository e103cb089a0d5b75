"""Goes through a stream event by event: requests come, pictures are begun and done, and a policy decides."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from app.simulation.replay.contract import Artist, Drawing, Hit, Join, Made, Policy
from app.simulation.replay.device import DeviceCosts
from app.simulation.replay.outcome import DRAWN, RESUMED, Outcome, Served
from app.simulation.workload import Ask, Change


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A request whose picture can begin from that time on."""

    ask: Ask
    ready_s: float


@dataclass(frozen=True, slots=True)
class _UnderWay:
    """A picture that will be done at that time."""

    ask: Ask
    made: Made
    done_s: float


class _Replay:
    """One device, which takes pictures in the order in which they came, one after the other."""

    def __init__(self, policy: Policy, artist: Artist, costs: DeviceCosts) -> None:
        self._policy = policy
        self._artist = artist
        self._costs = costs
        self._waiting: deque[_Waiting] = deque()
        self._under_way: _UnderWay | None = None
        self._free_at_s = 0.0
        self._joined: defaultdict[int, list[tuple[Ask, str]]] = defaultdict(list)
        self._seen: defaultdict[str, set[str]] = defaultdict(set)
        self.outcome = Outcome(policy.name)

    async def take(self, ask: Ask) -> None:
        await self.work_until(ask.arrival_s)
        answer = await self._policy.ask(ask)
        if isinstance(answer, Hit):
            keyed = answer.level in ("exact", "canonical")
            self._serve(ask, answer.drawing, answer.level, self._costs.exact_s if keyed else self._costs.similar_s)
        elif isinstance(answer, Join):
            self._joined[answer.number].append((ask, answer.level))
        else:
            lookup_s = self._costs.similar_s if answer.waits_for_lookup else 0.0
            self._waiting.append(_Waiting(ask, ask.arrival_s + lookup_s))

    async def work_until(self, now_s: float) -> None:
        """Finish and begin, in turn, what is done and can begin by then."""
        while True:
            if self._under_way is not None and self._under_way.done_s <= now_s:
                await self._finish(self._under_way)
            elif self._under_way is None and self._waiting and self._start_s <= now_s:
                await self._begin(self._waiting.popleft())
            else:
                return

    @property
    def _start_s(self) -> float:
        return max(self._free_at_s, self._waiting[0].ready_s)

    async def _begin(self, waiting: _Waiting) -> None:
        ask, start_s = waiting.ask, max(self._free_at_s, waiting.ready_s)
        beginning = await self._policy.begin(ask)
        work_s = self._costs.picture_s(beginning)
        drawing = self._artist.draw(ask.prompt, ask.drawn_seed, beginning)
        made = Made(drawing=drawing, beginning=beginning, device_s=work_s)
        self._under_way = _UnderWay(ask, made, start_s + work_s)
        self.outcome.device_s += work_s

    async def _finish(self, done: _UnderWay) -> None:
        self._under_way, self._free_at_s = None, done.done_s
        level = DRAWN if done.made.beginning is None else RESUMED
        for ask, how in ((done.ask, level), *self._joined.pop(done.ask.number, ())):
            self._serve(ask, done.made.drawing, how, done.done_s - ask.arrival_s)
        await self._policy.learn(done.ask, done.made)
        self.outcome.most_bytes = max(self.outcome.most_bytes, self._policy.byte_count)

    def _serve(self, ask: Ask, drawing: Drawing, level: str, latency_s: float) -> None:
        seen = self._seen[ask.caller]
        self.outcome.served.append(
            Served(
                ask=ask,
                level=level,
                latency_s=latency_s,
                right=self._artist.shows(drawing.key, ask.prompt),
                same_again=ask.change is Change.REROLL and drawing.key in seen,
            )
        )
        seen.add(drawing.key)


async def replay(
    asks: Iterable[Ask],
    policy: Policy,
    *,
    artist: Artist,
    costs: DeviceCosts,
    progress: Callable[[int], object] = lambda count: None,
) -> Outcome:
    """What the policy made of the requests; `progress` hears how many are done."""
    run = _Replay(policy, artist, costs)
    for count, ask in enumerate(asks, start=1):
        await run.take(ask)
        progress(count)
    await run.work_until(float("inf"))
    return run.outcome
