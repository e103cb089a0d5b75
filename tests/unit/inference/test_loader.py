"""One loader for every source; what is not there is said in words."""

from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FluxPipeline
from fakes import FakeClock, make_spec

from app.config import VariantSettings
from app.errors import ConfigurationError
from app.inference.loader import LoadedModel, choose_device, load_model, load_variant
from app.inference.pipelines.contract import SampleState, StepPipeline
from app.inference.pipelines.flux import FluxStepPipeline
from app.inference.quantization import Int8Linear
from app.inference.sources import BUILTIN_WEIGHTS, find_folder
from app.inference.step_cache import StepCache
from app.inference.tuning import Tuning


def mapped_ranges(file: Path) -> list[tuple[int, int]]:
    """Where this process has the file mapped."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    spans = (line.split()[0].split("-") for line in lines if line.endswith(str(file)))
    return [(int(low, 16), int(high, 16)) for low, high in spans]


def parts_of(model: LoadedModel | StepPipeline) -> FluxPipeline:
    """The networks of a FLUX model."""
    pipeline = model.pipeline if isinstance(model, LoadedModel) else model
    assert isinstance(pipeline, FluxStepPipeline)
    return pipeline.parts


def test_weights_of_the_stored_type_are_the_file_itself(flux_folder: Path) -> None:
    """Every parameter of the transformer lies inside the mapping of its safetensors file: nothing was copied."""
    model = load_model(str(flux_folder), device="cpu")
    spans = mapped_ranges(flux_folder / "transformer" / "diffusion_pytorch_model.safetensors")
    addresses = [parameter.data_ptr() for parameter in parts_of(model).transformer.parameters()]
    assert addresses
    assert all(any(low <= address < high for low, high in spans) for address in addresses)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_part_computes_in_the_type_asked_for(flux_folder: Path, dtype: str) -> None:
    """Text encoders, transformer and autoencoder agree, whatever the type of the files."""
    parts = parts_of(load_model(str(flux_folder), device="cpu", dtype=dtype))
    modules = (parts.transformer, parts.vae, parts.text_encoder, parts.text_encoder_2)
    assert {module.dtype for module in modules} == {getattr(torch, dtype)}


def test_a_model_tells_what_it_took(flux_folder: Path, flux: FluxPipeline) -> None:
    """Load time comes from the clock; bytes are those of the weights and of the process."""
    model = load_model(str(flux_folder), device="cpu", clock=FakeClock())
    modules = (flux.transformer, flux.vae, flux.text_encoder, flux.text_encoder_2)
    parameters = sum(parameter.nbytes for module in modules for parameter in module.parameters())
    assert isinstance(model.pipeline, FluxStepPipeline)
    assert (model.device, model.load_s) == ("cpu", 0.0)
    assert parameters <= model.weight_bytes < parameters * 1.01
    assert model.resident_bytes > model.weight_bytes


def test_a_built_in_model_is_a_folder_among_the_weights(tmp_path: Path) -> None:
    """`builtin:NAME` names a folder of the package; nothing else about it is special."""
    (tmp_path / "sketch").mkdir()
    (tmp_path / "sketch" / "model_index.json").touch()
    assert find_folder("builtin:sketch", builtin_weights=tmp_path) == tmp_path / "sketch"
    assert BUILTIN_WEIGHTS.parts[-3:] == ("app", "builtin", "weights")


@pytest.mark.parametrize(
    ("source", "advice"),
    [
        ("builtin:nothing", "darkroom train"),
        ("./nowhere", "model_index.json"),
        ("/nowhere/at/all", "model_index.json"),
        ("no such id", "check the id"),
    ],
)
def test_a_missing_model_says_what_to_do(source: str, advice: str, tmp_path: Path) -> None:
    """A name without a model behind it stops the start with advice."""
    with pytest.raises(ConfigurationError, match=advice):
        find_folder(source, builtin_weights=tmp_path)


def test_a_damaged_model_is_named(flux_folder: Path, tmp_path: Path) -> None:
    """A folder whose files do not load stops the start and is named."""
    (tmp_path / "model_index.json").write_text('{"_class_name": "FluxPipeline", "vae": ["diffusers", "AutoencoderKL"]}')
    with pytest.raises(ConfigurationError, match="could not be loaded"):
        load_model(str(tmp_path), device="cpu")


def test_an_unknown_family_is_named(flux_folder: Path, tmp_path: Path) -> None:
    """A manifest that asks for a family that is not there lists those that are."""
    (tmp_path / "model_index.json").touch()
    (tmp_path / "darkroom.json").write_text('{"family": "etching"}')
    with pytest.raises(ConfigurationError, match="known families: flux"):
        load_model(str(tmp_path), device="cpu")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the GPU that the test must miss")
def test_a_missing_gpu_is_named() -> None:
    """Asking for a GPU where none is stops the start; auto takes the CPU."""
    assert choose_device("auto") == "cpu"
    with pytest.raises(ConfigurationError, match="device: cpu"):
        choose_device("cuda")


def test_eight_bit_weights_take_fewer_bytes(flux_folder: Path) -> None:
    """The int8 variant of a model holds less than the model itself."""
    whole, small = (
        load_model(str(flux_folder), device="cpu", tuning=Tuning(quantization=quantization))
        for quantization in ("none", "int8")
    )
    assert small.weight_bytes < 0.8 * whole.weight_bytes


def test_the_settings_of_a_variant_reach_the_model(flux_folder: Path) -> None:
    """What is set is what is loaded: kernels, precision, company, tiles and skipped steps."""
    settings = VariantSettings(
        source=str(flux_folder), device="cpu", quantization="int8", determinism="fast", attention="_native_math",
        vae_tiling=True, step_cache=0.05, default_steps=28,
    )  # fmt: skip
    pipeline = load_variant(settings).pipeline
    assert isinstance(pipeline, StepCache)
    parts = parts_of(pipeline.inner)
    layer = parts.transformer.transformer_blocks[0].attn
    assert isinstance(layer.to_q, Int8Linear)
    assert layer.processor._attention_backend == "_native_math"
    assert parts.vae.use_tiling
    assert "forward" not in vars(parts.transformer)


@pytest.mark.parametrize(("determinism", "is_replaced"), [("strict", True), ("fast", False)])
def test_only_strict_determinism_replaces_what_a_denoiser_computes(
    flux_folder: Path, determinism: str, is_replaced: bool
) -> None:
    """Fast leaves the network as diffusers has it; strict, the default, does not."""
    parts = parts_of(load_model(str(flux_folder), device="cpu", tuning=Tuning(determinism=determinism)))
    assert ("forward" in vars(parts.transformer)) == is_replaced
    assert Tuning().determinism == "strict"


def test_large_pictures_are_decoded_in_tiles(flux_folder: Path) -> None:
    """With tiling, no pass of the decoder sees more than a tile; small pictures have the same bytes as without."""
    plain, tiled = (
        load_model(str(flux_folder), device="cpu", tuning=Tuning(vae_tiling=tiling)).pipeline
        for tiling in (False, True)
    )
    seen = []
    parts_of(tiled).vae.decoder.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].shape[-1]))
    large = tiled.decode(first_state(tiled, 96))
    assert (large.shape, max(seen)) == ((96, 96, 3), 16)
    assert np.array_equal(tiled.decode(first_state(tiled, 32)), plain.decode(first_state(plain, 32)))


def first_state(pipeline: StepPipeline, side: int) -> SampleState:
    """The state before the first step of a square picture."""
    spec = make_spec(prompt="a red circle", width=side, height=side, native_width=side, native_height=side)
    return pipeline.prepare(spec, pipeline.encode(spec), None)


@pytest.mark.parametrize(
    ("tuning", "complaint"),
    [
        (Tuning(attention="sage"), "attention: sage is not available here"),
        (Tuning(quantization="fp8"), "quantization: fp8 needs a GPU"),
        (Tuning(compile="reduce-overhead"), "compile: reduce-overhead records CUDA graphs"),
    ],
)
def test_what_the_machine_lacks_stops_the_start(flux_folder: Path, tuning: Tuning, complaint: str) -> None:
    """A speed-up that cannot be had here is named at the start, not at the first picture."""
    with pytest.raises(ConfigurationError, match=complaint):
        load_model(str(flux_folder), device="cpu", tuning=tuning)
