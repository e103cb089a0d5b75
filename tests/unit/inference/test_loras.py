"""LoRAs over a denoiser: they act as diffusers lets them act, on those pictures alone that ask for them."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers import DDPMPipeline, DDPMScheduler, DiffusionPipeline, UNet2DModel
from tiny_flux import SEQUENCE_LENGTH, tiny_flux
from tiny_lora import stamped, write_file, write_lora
from tiny_sdxl import tiny_sdxl

from app.errors import ConfigurationError, InvalidInputError
from app.generation import Lora, PictureSpec, Task
from app.inference.determinism import make_batch_invariant
from app.inference.loras import adapted
from app.inference.loras.adapters import Adapters
from app.inference.loras.mounting import Acting
from app.inference.manifest import Manifest
from app.inference.pipelines.contract import SampleState, StepPipeline
from app.inference.pipelines.flux import FluxStepPipeline
from app.inference.pipelines.sdxl import SdxlStepPipeline
from app.inference.quantization import quantize_blocks
from app.lora_files import LoraFolder

# The Euler scheduler of diffusers hands tensors to numpy in a way that numpy 2 warns about.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SPEC = PictureSpec(
    task=Task.TEXT_TO_IMAGE, variant="tiny", prompt="a red", width=32, height=24, native_width=32, native_height=24,
    steps=3, seed=5, guidance_scale=3.0,
)  # fmt: skip
MANIFEST = Manifest(max_sequence_length=SEQUENCE_LENGTH)


def flux() -> DiffusionPipeline:
    """FLUX in float32."""
    parts = tiny_flux()
    make_batch_invariant(parts.transformer)
    return parts


def flux_int8() -> DiffusionPipeline:
    """FLUX with eight-bit blocks."""
    parts = tiny_flux()
    quantize_blocks(parts.transformer)
    make_batch_invariant(parts.transformer)
    return parts


def sdxl() -> DiffusionPipeline:
    """SDXL, guided."""
    parts = tiny_sdxl()
    make_batch_invariant(parts.unet)
    return parts


def plain_over(parts: DiffusionPipeline) -> StepPipeline:
    """A pipeline that knows nothing of LoRAs."""
    family = FluxStepPipeline if "transformer" in parts.components else SdxlStepPipeline
    return family(parts, MANIFEST)


def adapted_over(parts: DiffusionPipeline, folder: Path, *, max_loaded: int = 8) -> StepPipeline:
    """A pipeline with the LoRAs of a folder."""
    loras = LoraFolder(folder, max_bytes=10**7)
    return adapted(plain_over(parts), parts, folder=loras, max_loaded=max_loaded, batch_invariant=True)


def begin(pipeline: StepPipeline, *loras: Lora, seed: int = 5, steps: int = 3) -> SampleState:
    """The first state of a picture with these LoRAs."""
    spec = replace(SPEC, seed=seed, steps=steps, loras=loras)
    return pipeline.prepare(spec, pipeline.encode(spec), None)


def finish(pipeline: StepPipeline, state: SampleState) -> torch.Tensor:
    """The latents after all steps."""
    while state.steps_left:
        (state,) = pipeline.step([state])
    return state.latents


def draw(pipeline: StepPipeline, *loras: Lora, seed: int = 5) -> torch.Tensor:
    """The last latents of a picture with these LoRAs."""
    return finish(pipeline, begin(pipeline, *loras, seed=seed))


@pytest.fixture(params=[flux, flux_int8, sdxl], ids=lambda make: make.__name__)
def make(request: pytest.FixtureRequest) -> Callable[[], DiffusionPipeline]:
    """Each kind of denoiser in turn."""
    return request.param


@pytest.fixture
def ink(tmp_path: Path, make: Callable[[], DiffusionPipeline]) -> Lora:
    """A LoRA of rank 4."""
    return write_lora(tmp_path, "ink.safetensors", original(make), seed=1)


@pytest.fixture
def oil(tmp_path: Path, make: Callable[[], DiffusionPipeline]) -> Lora:
    """A LoRA of rank 6 that acts on more layers."""
    everywhere = {"within": lambda path: "blocks" in path}
    return write_lora(tmp_path, "oil.safetensors", original(make), seed=2, rank=6, **everywhere)


def original(make: Callable[[], DiffusionPipeline]) -> DiffusionPipeline:
    """The model that a LoRA was trained on, before anything was done to it."""
    return tiny_sdxl() if make is sdxl else tiny_flux()


def test_without_loras_the_model_is_what_it_was(
    make: Callable[[], DiffusionPipeline], tmp_path: Path, ink: Lora
) -> None:
    """No LoRA, and a LoRA of scale zero, give the bits of a model that never had one, also after another picture."""
    plain, pipeline = draw(plain_over(make())), adapted_over(make(), tmp_path)
    assert torch.equal(draw(pipeline), plain)
    assert not torch.equal(draw(pipeline, ink), plain)
    assert torch.equal(draw(pipeline, replace(ink, scale=0.0)), plain)
    assert torch.equal(draw(pipeline), plain)


def test_the_scale_shows(make: Callable[[], DiffusionPipeline], tmp_path: Path, ink: Lora) -> None:
    """A stronger LoRA leads further away."""
    pipeline = adapted_over(make(), tmp_path)
    weak, strong = (draw(pipeline, replace(ink, scale=scale)) - draw(pipeline) for scale in (0.1, 1.0))
    assert 0 < weak.norm() < strong.norm()


def test_several_loras_act_together(
    make: Callable[[], DiffusionPipeline], tmp_path: Path, ink: Lora, oil: Lora
) -> None:
    """Two LoRAs are neither the one nor the other, and the same LoRA twice is one of twice the scale."""
    pipeline = adapted_over(make(), tmp_path)
    both = draw(pipeline, ink, oil)
    assert not torch.equal(both, draw(pipeline, ink))
    assert not torch.equal(both, draw(pipeline, oil))
    twice = draw(pipeline, ink, ink)
    torch.testing.assert_close(twice, draw(pipeline, replace(ink, scale=2.0)), atol=1e-2, rtol=0)


def test_switching_between_steps_changes_nothing(
    make: Callable[[], DiffusionPipeline], tmp_path: Path, ink: Lora, oil: Lora
) -> None:
    """Pictures with different LoRAs that are stepped in turn, at different steps, come out as if each were alone."""
    pipeline = adapted_over(make(), tmp_path)
    sets = [(), (ink,), (replace(ink, scale=0.5),), (oil, ink)]
    alone = [draw(pipeline, *loras) for loras in sets]

    states = [begin(pipeline, *loras) for loras in sets]
    (states[1],) = pipeline.step([states[1]])
    for _ in range(3):
        states = [pipeline.step([state])[0] if state.steps_left else state for state in states]
    assert all(torch.equal(state.latents, latents) for state, latents in zip(states, alone, strict=True))


def test_company_does_not_matter(make: Callable[[], DiffusionPipeline], tmp_path: Path, ink: Lora, oil: Lora) -> None:
    """Pictures with equal LoRAs in one batch are those that they are alone."""
    pipeline = adapted_over(make(), tmp_path)
    loras = (ink, replace(oil, scale=0.3))
    alone = [draw(pipeline, *loras, seed=seed) for seed in range(3)]

    states = [begin(pipeline, *loras, seed=seed) for seed in range(3)]
    while states[0].steps_left:
        states = pipeline.step(states)
    assert all(torch.equal(state.latents, latents) for state, latents in zip(states, alone, strict=True))


def test_the_lora_used_longest_ago_gives_way_and_comes_back(
    make: Callable[[], DiffusionPipeline], tmp_path: Path, ink: Lora, oil: Lora
) -> None:
    """With room for one, each switch reads a file again, and the pictures are the same."""
    roomy, narrow = adapted_over(make(), tmp_path), adapted_over(make(), tmp_path, max_loaded=1)
    for loras in ((ink,), (oil,), (ink,), (ink, oil)):
        assert torch.equal(draw(narrow, *loras), draw(roomy, *loras))


@pytest.mark.parametrize("make", [flux], indirect=True)
def test_what_is_loaded_needs_no_file(make: Callable[[], DiffusionPipeline], tmp_path: Path, ink: Lora) -> None:
    """A picture that has begun is finished although its file is gone, unless the LoRA had to give way meanwhile."""
    pipeline = adapted_over(make(), tmp_path, max_loaded=1)
    state, expected = begin(pipeline, ink), draw(pipeline, ink)
    (tmp_path / ink.path).unlink()
    assert torch.equal(finish(pipeline, state), expected)

    other = write_lora(tmp_path, "other.safetensors", tiny_flux(), seed=3)
    draw(pipeline, other)
    with pytest.raises(InvalidInputError, match="no LoRA of that name"):
        pipeline.step([state])


@pytest.mark.parametrize("make", [flux], indirect=True)
def test_a_file_that_changed_is_never_taken_for_the_old_one(
    make: Callable[[], DiffusionPipeline], tmp_path: Path, ink: Lora
) -> None:
    """A request that was stamped with the old content is refused; one with the new gets the new."""
    pipeline = adapted_over(make(), tmp_path, max_loaded=1)
    before = draw(pipeline, ink)
    changed = write_lora(tmp_path, ink.path, tiny_flux(), seed=9)
    assert not torch.equal(draw(pipeline, changed), before)
    with pytest.raises(InvalidInputError, match="replaced"):
        begin(pipeline, ink)


@pytest.mark.parametrize("make", [flux], indirect=True)
def test_a_useless_lora_is_refused_before_any_step(
    make: Callable[[], DiffusionPipeline], tmp_path: Path, ink: Lora
) -> None:
    """The refusal names the LoRA by its place in the request, and those that act go on acting."""
    pipeline = adapted_over(make(), tmp_path)
    expected, state = draw(pipeline, ink), begin(pipeline, ink)
    (tmp_path / "noise.safetensors").write_bytes(b"noise")
    for useless in (Lora(path="absent.safetensors"), stamped(tmp_path, "noise.safetensors")):
        with pytest.raises(InvalidInputError) as refused:
            begin(pipeline, ink, useless)
        assert refused.value.issues[0].loc == ("body", "loras", 1, "path")
    assert torch.equal(finish(pipeline, state), expected)


def test_lora_folders_that_cannot_work_are_refused_at_start_up(tmp_path: Path) -> None:
    """A folder that does not exist, and a pipeline that knows no LoRAs, are mistakes of the configuration."""
    with pytest.raises(ConfigurationError, match=r"lora_folder: .*absent is not a folder"):
        adapted_over(flux(), tmp_path / "absent")

    options = {"folder": LoraFolder(tmp_path, max_bytes=1), "max_loaded": 1, "batch_invariant": True}
    parts = DDPMPipeline(unet=UNet2DModel(), scheduler=DDPMScheduler())
    with pytest.raises(ConfigurationError, match="DDPMPipeline takes no LoRAs"):
        adapted(plain_over(flux()), parts, **options)


@pytest.mark.parametrize("make", [sdxl], indirect=True)
def test_convolutions_carry_loras(make: Callable[[], DiffusionPipeline], tmp_path: Path) -> None:
    """A LoRA on a convolution with a stride is the convolution with the product of its two parts added."""
    parts = make()
    layer = parts.unet.down_blocks[0].downsamplers[0].conv
    down, up = torch.randn(2, *layer.weight.shape[1:]), torch.randn(layer.out_channels, 2, 1, 1)
    name = "unet.down_blocks.0.downsamplers.0.conv"
    lora = write_file(tmp_path, "conv.safetensors", {f"{name}.lora.down.weight": down, f"{name}.lora.up.weight": up})
    drawn = draw(adapted_over(parts, tmp_path), replace(lora, scale=0.5))

    merged = tiny_sdxl()
    merged.unet.down_blocks[0].downsamplers[0].conv.weight += 0.5 * torch.einsum("or,rikl->oikl", up[..., 0, 0], down)
    torch.testing.assert_close(drawn, draw(plain_over(merged)), atol=1e-3, rtol=1e-4)


class CountingMount:
    """Lays nothing, counts how often it is asked to, and fails when it is told to."""

    max_rank = None

    def __init__(self) -> None:
        self.scales: list[list[float]] = []
        self.fails = False

    def lay(self, acting: Acting) -> None:
        """Note the scales."""
        self.scales.append([scale for _, scale in acting])
        if self.fails:
            raise MemoryError


@pytest.mark.parametrize("make", [flux], indirect=True)
def test_the_same_loras_are_laid_once(make: Callable[[], DiffusionPipeline], tmp_path: Path, ink: Lora) -> None:
    """Asking for what acts already is free; a switch that failed half-way is made again, to whatever is asked for."""
    mount, folder = CountingMount(), LoraFolder(tmp_path, max_bytes=10**7)
    adapters = Adapters(make(), mount=mount, folder=folder, max_loaded=1)
    for loras in ((), (ink,), (ink,), (), (replace(ink, scale=0.0),), ()):
        adapters.activate(loras)
    assert mount.scales == [[1.0], [], [], []]

    mount.fails = True
    with pytest.raises(MemoryError):
        adapters.activate((ink,))
    mount.fails = False
    adapters.activate(())
    assert mount.scales[4:] == [[1.0], []]
