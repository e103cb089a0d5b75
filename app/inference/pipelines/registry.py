"""Which class runs which model family."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from diffusers import (
    DiffusionPipeline,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    StableDiffusionXLPipeline,
)

from app.errors import ConfigurationError
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import StepPipeline
from app.inference.pipelines.flux import FluxStepPipeline
from app.inference.pipelines.foreign.pipeline import ForeignStepPipeline
from app.inference.pipelines.sdxl import SdxlStepPipeline


@dataclass(frozen=True, slots=True)
class Family:
    """The diffusers pipeline that holds a family's parts, and what draws with them step by step.

    `draw_with` takes the parts, the model's manifest, and the name of the exact text encoders.
    Models whose parts have another `scheduler` are not taken for this family unless told to be.
    """

    parts: type[DiffusionPipeline]
    draw_with: Callable[[Any, Manifest, str], StepPipeline]
    scheduler: type | None = None


def family(name: str) -> Family:
    """The family of that name; `auto` is whichever the parts call for. Raises ConfigurationError when there is none."""
    if name not in _FAMILIES:
        raise ConfigurationError(f"model family {name!r} is unknown; known families: {', '.join(_FAMILIES)}")
    return _FAMILIES[name]


def family_of(parts: Any) -> str:
    """The name of the family that draws with these parts exactly what their own call draws."""
    return next((name for name, family in _FAMILIES.items() if _is_made_for(family, parts)), "diffusers")


def _is_made_for(family: Family, parts: Any) -> bool:
    return type(parts) is family.parts and family.scheduler is not None and type(parts.scheduler) is family.scheduler


def _draw_as_found(parts: Any, manifest: Manifest, encoder_revision: str = "") -> StepPipeline:
    return family(family_of(parts)).draw_with(parts, manifest, encoder_revision)


_FAMILIES = {
    "flux": Family(FluxPipeline, FluxStepPipeline, FlowMatchEulerDiscreteScheduler),
    "sdxl": Family(StableDiffusionXLPipeline, SdxlStepPipeline, EulerDiscreteScheduler),
    "diffusers": Family(DiffusionPipeline, ForeignStepPipeline),
    "auto": Family(DiffusionPipeline, _draw_as_found),
}
