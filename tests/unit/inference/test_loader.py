"""One loader for every source; what is not there is said in words."""

from pathlib import Path

import pytest
import torch
from diffusers import FluxPipeline
from fakes import FakeClock

from app.errors import ConfigurationError
from app.inference.loader import BUILTIN_WEIGHTS, LoadedModel, choose_device, find_folder, load_model
from app.inference.pipelines.flux import FluxStepPipeline


def mapped_ranges(file: Path) -> list[tuple[int, int]]:
    """Where this process has the file mapped."""
    lines = Path("/proc/self/maps").read_text().splitlines()
    spans = (line.split()[0].split("-") for line in lines if line.endswith(str(file)))
    return [(int(low, 16), int(high, 16)) for low, high in spans]


def parts_of(model: LoadedModel) -> FluxPipeline:
    """The networks of a loaded FLUX model."""
    assert isinstance(model.pipeline, FluxStepPipeline)
    return model.pipeline.parts


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
        load_model(str(flux_folder), device="cpu", quantization=quantization) for quantization in ("none", "int8")
    )
    assert small.weight_bytes < 0.8 * whole.weight_bytes
