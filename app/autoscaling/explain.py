"""A decision in words: one line per change, the same for people, logs and the simulator."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.autoscaling.terms import Term


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How many replicas a deployment shall have, and every term that had a part in it.

    `held` is what the load asked for within the time for which a peak is remembered; `stale` says why nothing was
    decided (numbers too old, a failure) and is empty otherwise. `failures` are what failed beside the demand's terms.
    """

    deployment: str
    before: int
    replicas: int
    demand: tuple[Term, ...]
    queue: Term
    held: Term
    floors: tuple[Term, ...] = ()
    ceilings: tuple[Term, ...] = ()
    maximum: int = 1
    stale: str = ""
    notes: tuple[str, ...] = ()
    failures: tuple[Term, ...] = ()

    @property
    def changed(self) -> bool:
        """Whether there is anything to tell."""
        return self.replicas != self.before

    @property
    def terms(self) -> tuple[Term, ...]:
        """Every term, in the order of its part: demand, queue, hold, floors, ceilings, failures."""
        return (*self.demand, self.queue, self.held, *self.floors, *self.ceilings, *self.failures)

    @property
    def failed(self) -> tuple[Term, ...]:
        """The terms that failed, because of which the target is not lowered."""
        return tuple(term for term in self.terms if term.failed)

    def line(self) -> str:
        """For example `sdxl 6→9: burst 7.4 (m=2.1/s, D=3.2, z=1.5) | queue +1.2 (…) | floor none | cap none → 9`."""
        head = f"{self.deployment} {self.before}→{self.replicas}"
        if self.stale:
            held = (f"{self.stale}, held", _bounds("floor", self.floors), *map(_shown, self.failures))
            return f"{head}: {' | '.join(held)} → {self.replicas}"
        parts = [_shown(term) for term in self.demand if term.replicas or term.why]
        parts.append(_shown(self.queue, sign="+"))
        parts.append(_shown(self.held))
        parts += [_bounds("floor", self.floors), _bounds("cap", self.ceilings), *map(_shown, self.failures)]
        parts += [*self.notes, *(["not lowered"] if self.failed else [])]
        return f"{head}: {' | '.join(parts)} → {self.replicas}"


def _shown(term: Term, *, sign: str = "") -> str:
    why = f" ({term.why})" if term.why else ""
    return f"{term.name} {sign}{term.replicas:.1f}{why}"


def _bounds(kind: str, terms: Sequence[Term]) -> str:
    if not terms:
        return f"{kind} none"
    return " | ".join(
        f"{term.name} {kind} {term.replicas:g}" + (f" ({term.why})" if term.why else "") for term in terms
    )
