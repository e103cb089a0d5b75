"""Loads any model folder or hub id into a step pipeline: the built-in models and FLUX.1 alike."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psutil
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from app.errors import ConfigurationError
from app.inference.determinism import make_batch_invariant
from app.inference.manifest import Manifest, read_manifest
from app.inference.pipelines.contract import StepPipeline
from app.inference.pipelines.registry import family
from app.inference.quantization import quantize_blocks

BUILTIN_WEIGHTS = Path(__file__).parents[1] / "builtin" / "weights"
_BUILTIN = "builtin:"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model in memory: `weight_bytes` of parameters, `resident_bytes` of the process and its device together."""

    pipeline: StepPipeline
    manifest: Manifest
    device: str
    load_s: float
    weight_bytes: int
    resident_bytes: int


def load_model(
    source: str,
    *,
    device: str = "auto",
    dtype: str = "float32",
    quantization: Literal["none", "int8"] = "none",
    batch_invariant: bool = True,
    builtin_weights: Path = BUILTIN_WEIGHTS,
    clock: Callable[[], float] = time.monotonic,
) -> LoadedModel:
    """Load `builtin:NAME`, a folder in diffusers format, or a model id of the hub.

    Weights stored in `dtype` stay memory-mapped on a CPU, except those made int8. Without `batch_invariant` batches are
    faster and a picture's last bits depend on its company. Raises ConfigurationError that says what to do.
    """
    started_s = clock()
    chosen = choose_device(device)
    folder = find_folder(source, builtin_weights=builtin_weights)
    manifest = read_manifest(folder)
    drawing = family(manifest.family)
    parts = _load_parts(drawing.parts, folder, getattr(torch, dtype)).to(chosen)
    if quantization == "int8":
        quantize_blocks(parts.transformer)
    if batch_invariant:
        make_batch_invariant(parts.transformer)
    return LoadedModel(
        pipeline=drawing.draw_with(parts, manifest),
        manifest=manifest,
        device=chosen,
        load_s=clock() - started_s,
        weight_bytes=_weight_bytes(parts),
        resident_bytes=resident_bytes(),
    )


def choose_device(device: str) -> str:
    """`cpu` or `cuda` for a configured device; raises ConfigurationError when a GPU is asked for and none is there."""
    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigurationError(
            "device: cuda is configured but PyTorch sees no GPU; "
            "install a CUDA build of PyTorch and a driver, or set device: cpu"
        )
    return device


def find_folder(source: str, *, builtin_weights: Path = BUILTIN_WEIGHTS) -> Path:
    """The local folder behind a source, fetched from the hub where needed; raises ConfigurationError."""
    if source.startswith(_BUILTIN):
        return _builtin_folder(builtin_weights, source.removeprefix(_BUILTIN))
    folder = Path(source).expanduser()
    if (folder / "model_index.json").is_file():
        return folder
    if folder.exists() or source.startswith((".", "/", "~")):
        raise ConfigurationError(
            f"{source} is not a model folder: it has no model_index.json; name the folder that holds one"
        )
    return _fetch(source)


def _builtin_folder(builtin_weights: Path, name: str) -> Path:
    folder = builtin_weights / name
    if (folder / "model_index.json").is_file():
        return folder
    known = sorted(path.parent.name for path in builtin_weights.glob("*/model_index.json"))
    raise ConfigurationError(
        f"there is no built-in model {name!r}; built in: {', '.join(known) or 'none'}; `darkroom train` makes them"
    )


def _fetch(model_id: str) -> Path:
    try:
        return Path(DiffusionPipeline.download(model_id))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{model_id} could not be fetched from the hub ({type(error).__name__}); check the id and the network, "
            f"accept its licence and set HF_TOKEN if it is gated, or name a local folder that holds the model"
        ) from error


def _load_parts(parts: type[DiffusionPipeline], folder: Path, dtype: torch.dtype) -> DiffusionPipeline:
    _quieten()
    try:
        return parts.from_pretrained(folder, dtype=dtype, use_safetensors=True, local_files_only=True)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(
            f"{folder} could not be loaded as a {parts.__name__}: {error}; fetch or train the model again"
        ) from error


def _quieten() -> None:
    """No progress bars, and no warnings that quote the prompts of users."""
    for library in (diffusers_logging, transformers_logging):
        library.disable_progress_bar()
        library.set_verbosity_error()


def _weight_bytes(parts: DiffusionPipeline) -> int:
    modules = (part for part in parts.components.values() if isinstance(part, torch.nn.Module))
    return sum(tensor.nbytes for module in modules for tensor in (*module.parameters(), *module.buffers()))


def resident_bytes() -> int:
    """Memory that this process holds now, in main memory and on its GPU together."""
    on_device = torch.cuda.memory_allocated() if torch.cuda.is_available() else 0
    return int(psutil.Process().memory_info().rss) + on_device
