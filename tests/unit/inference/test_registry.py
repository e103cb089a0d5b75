"""Which family draws with which parts."""

import pytest
from diffusers import DDIMScheduler, EulerAncestralDiscreteScheduler, FluxImg2ImgPipeline
from tiny_flux import tiny_flux
from tiny_foreign import tiny_stable_diffusion
from tiny_sdxl import tiny_sdxl

from app.config.variants import VariantSettings
from app.errors import ConfigurationError
from app.inference.manifest import Manifest
from app.inference.pipelines.flux import FluxStepPipeline
from app.inference.pipelines.foreign.pipeline import ForeignStepPipeline
from app.inference.pipelines.registry import family, family_of
from app.inference.pipelines.sdxl import SdxlStepPipeline

# The schedulers of diffusers hand tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def test_parts_are_enough_to_tell_the_family() -> None:
    """Parts of a family are drawn by it, all others by their own call."""
    found = [
        (tiny_flux(), FluxStepPipeline),
        (tiny_sdxl(), SdxlStepPipeline),
        (tiny_stable_diffusion(), ForeignStepPipeline),
    ]
    for parts, drawn_by in found:
        assert type(family("auto").draw_with(parts, Manifest(), "")) is drawn_by


@pytest.mark.parametrize("scheduler", [DDIMScheduler, EulerAncestralDiscreteScheduler])
def test_another_scheduler_is_another_family(scheduler: type) -> None:
    """Parts whose scheduler a family would not follow are drawn by their own call, unless the family is named."""
    parts = tiny_sdxl()
    parts.scheduler = scheduler()
    assert family_of(parts) == "diffusers"
    assert type(family("sdxl").draw_with(parts, Manifest(), "")) is SdxlStepPipeline


def test_a_relative_is_not_the_family() -> None:
    """An image-to-image pipeline that shares its name's beginning is drawn by its own call."""
    assert family_of(FluxImg2ImgPipeline(**tiny_flux().components)) == "diffusers"


def test_every_family_that_can_be_configured_is_there() -> None:
    """The configuration names the families that the registry knows."""
    choices = VariantSettings.model_fields["family"].annotation.__args__
    assert [family(name).parts.__name__ for name in choices] == [
        "DiffusionPipeline", "FluxPipeline", "StableDiffusionXLPipeline", "DiffusionPipeline",
    ]  # fmt: skip


def test_an_unknown_family_is_named() -> None:
    """A name that nobody knows is refused with those that are known."""
    with pytest.raises(ConfigurationError, match="'etching' is unknown; known families: flux, sdxl, diffusers, auto"):
        family("etching")
