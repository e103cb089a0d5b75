"""What one policy asks for, and why."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Term:
    """Replicas that one policy asks for, not rounded, with the words that explain it; a `failed` one asks for none."""

    name: str
    replicas: float
    why: str = ""
    failed: bool = False


def guarded(name: str, policy: Callable[[], Term]) -> Term:
    """The policy's term; never raises: what goes wrong, or is no number, is the reason of a failed term."""

    def checked() -> Term:
        term = policy()
        if not math.isfinite(term.replicas):
            raise ValueError(f"asks for {term.replicas} replicas")
        return term

    term, failure = attempted(name, checked, otherwise=Term(name, 0.0))
    return failure or term


def attempted(name: str, action: Callable[[], Result], *, otherwise: Result) -> tuple[Result, Term | None]:
    """The result, or `otherwise` with a failed term that says what went wrong; never raises."""
    try:
        return action(), None
    except Exception as error:
        return otherwise, Term(name, 0.0, f"failed: {type(error).__name__}: {error}", failed=True)
