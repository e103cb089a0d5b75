"""Which replica a caller's hint is about: the one that served it last, because what it needs may still be there."""

from collections import OrderedDict

from app.generation import Job

MOST_HINTS = 10_000


class Hints:
    """The replicas of one variant by the hints that they served; of very many, the oldest are forgotten."""

    def __init__(self, *, most: int = MOST_HINTS) -> None:
        self._most = most
        self._replicas: OrderedDict[str, str] = OrderedDict()

    def served(self, job: Job, replica: str) -> None:
        """The replica works on the job, and will be preferred for others of its hint."""
        hint = job.handling.hint
        if not hint:
            return
        self._replicas[hint] = replica
        self._replicas.move_to_end(hint)
        if len(self._replicas) > self._most:
            self._replicas.popitem(last=False)

    def suits(self, job: Job, replica: str) -> bool:
        """Whether no other replica is to be preferred for the job."""
        return self._replicas.get(job.handling.hint, replica) == replica

    def lost(self, replica: str) -> None:
        """The replica is gone, and what it had with it."""
        for hint in [hint for hint, name in self._replicas.items() if name == replica]:
            del self._replicas[hint]
