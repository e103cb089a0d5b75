"""The jobs that wait for one variant, most urgent first."""

import heapq
import math
from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice, takewhile

from app.generation import Job
from app.routing.pace import Pace, work_of

GRACE_S = 1.0

Suits = Callable[[Job], bool]


def _always(job: Job) -> bool:
    return True


@dataclass(frozen=True, slots=True, order=True)
class _Entry:
    deadline_s: float
    arrival_s: float
    sequence: int
    job: Job = field(compare=False)

    @property
    def start_by_s(self) -> float:
        return math.inf if self.job.start_by_s is None else self.job.start_by_s


class DeadlineQueue:
    """Jobs in order of the latest start that meets their deadline, then of arrival; ids are unique within a queue.

    By deadlines alone, of jobs that came together the longest would be the last to end. None has to start before it
    came, however long it takes. Those of equal work keep the order of their deadlines, whatever the pace becomes.
    """

    def __init__(self, pace: Pace | None = None) -> None:
        self._pace = pace or Pace()
        self._lanes: dict[int, list[_Entry]] = {}
        self._by_id: dict[str, _Entry] = {}
        self._pushed = 0

    def __len__(self) -> int:
        return len(self._by_id)

    def push(self, job: Job) -> None:
        """Add a job; raises ValueError when its id already waits here."""
        if job.job_id in self._by_id:
            raise ValueError(f"job {job.job_id} is already waiting")
        entry = _Entry(job.deadline_s, job.arrival_s, self._pushed, job)
        self._pushed += 1
        self._by_id[job.job_id] = entry
        insort(self._lanes.setdefault(work_of(job.spec), []), entry)

    def head(self, suits: Suits = _always) -> Job | None:
        """The most urgent job; one that does not suit lets those by that have to start at most GRACE_S later."""
        lead = self._lead(suits)
        return None if lead is None else lead.job

    def pop_batch(self, limit: int, suits: Suits = _always) -> tuple[Job, ...]:
        """Take that job and the most urgent others that can share its batch, `limit` at most."""
        if (lead := self._lead(suits)) is None:
            return ()
        takes_all = not suits(lead.job)
        alike = (entry for entry in self._ordered() if entry.job.spec.batch_key == lead.job.spec.batch_key)
        return self._take(list(islice((entry for entry in alike if takes_all or suits(entry.job)), limit)))

    def _lead(self, suits: Suits) -> _Entry | None:
        if (first := next(self._ordered(), None)) is None:
            return None
        soon_s = self._latest_start_s(first) + GRACE_S
        soon = takewhile(lambda entry: self._latest_start_s(entry) <= soon_s, self._ordered())
        return next((entry for entry in soon if suits(entry.job)), first)

    def remove(self, job_id: str) -> Job | None:
        """Take one job out of turn; None when it does not wait here."""
        entry = self._by_id.get(job_id)
        return None if entry is None else self._take([entry])[0]

    def expired(self, now_s: float) -> tuple[Job, ...]:
        """Take out every job that had to start by `now_s` or earlier."""
        return self._take([entry for entry in self._ordered() if entry.start_by_s <= now_s])

    def next_expiry_s(self) -> float | None:
        """The earliest time by which a waiting job has to start; None when every job may wait for ever."""
        earliest = min((entry.start_by_s for entry in self._by_id.values()), default=math.inf)
        return None if earliest == math.inf else earliest

    def _take(self, entries: list[_Entry]) -> tuple[Job, ...]:
        for entry in entries:
            del self._by_id[entry.job.job_id]
            work = work_of(entry.job.spec)
            lane = self._lanes[work]
            del lane[bisect_left(lane, entry)]
            if not lane:
                del self._lanes[work]
        return tuple(entry.job for entry in entries)

    def _ordered(self) -> Iterator[_Entry]:
        return heapq.merge(*self._lanes.values(), key=lambda entry: (self._latest_start_s(entry), entry))

    def _latest_start_s(self, entry: _Entry) -> float:
        own_s = max(0.0, entry.deadline_s - entry.arrival_s)
        return entry.deadline_s - min(self._pace.seconds_for(entry.job.spec), own_s)
