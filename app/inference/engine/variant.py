"""A variant as the engine knows it."""

from collections.abc import Callable
from dataclasses import dataclass

from app.inference.engine.costs import CostModel
from app.inference.pipelines.contract import StepPipeline


def always() -> bool:
    """There is room for a model that is in memory for good."""
    return True


def keep() -> None:
    """A model that is in memory for good is not let go."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineVariant:
    """One way to run a model; `batch_sizes`, in rising order, may be formed.

    `pipeline` gives it, loaded, and keeps it in memory until `let_go` has been called as often;
    `has_room` says whether that would succeed now, and raises ConfigurationError when it never will.
    """

    pipeline: Callable[[], StepPipeline]
    costs: CostModel
    batch_sizes: tuple[int, ...]
    has_room: Callable[[], bool] = always
    let_go: Callable[[], object] = keep
