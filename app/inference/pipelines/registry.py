"""Which class runs which model family."""

from collections.abc import Callable
from dataclasses import dataclass

from diffusers import DiffusionPipeline, FluxPipeline

from app.errors import ConfigurationError
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import StepPipeline
from app.inference.pipelines.flux import FluxStepPipeline


@dataclass(frozen=True, slots=True)
class Family:
    """The diffusers pipeline that holds a family's parts, and what draws with them step by step."""

    parts: type[DiffusionPipeline]
    draw_with: Callable[[DiffusionPipeline, Manifest], StepPipeline]


_FAMILIES = {"flux": Family(FluxPipeline, FluxStepPipeline)}


def family(name: str) -> Family:
    """The family of that name; raises ConfigurationError when there is none."""
    if name not in _FAMILIES:
        known = ", ".join(sorted(_FAMILIES))
        raise ConfigurationError(f"model family {name!r} is unknown; known families: {known}")
    return _FAMILIES[name]
