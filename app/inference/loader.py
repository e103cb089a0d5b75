"""Loads any model folder or hub id into a step pipeline, as its settings want it to run."""

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import psutil
import torch
from diffusers import DiffusionPipeline
from diffusers.utils import logging as diffusers_logging
from transformers.utils import logging as transformers_logging

from app.config import VariantSettings
from app.errors import ConfigurationError
from app.inference.components import (
    ComponentPool,
    encoder_revision,
    module_bytes,
    shared_components,
    weigh_components,
)
from app.inference.freed_memory import keep_freed_memory
from app.inference.loras import adapted
from app.inference.manifest import Manifest, read_manifest
from app.inference.pipelines.contract import StepPipeline
from app.inference.pipelines.registry import family as family_named
from app.inference.shelf import Footprint
from app.inference.sources import BUILTIN_WEIGHTS, find_folder
from app.inference.tuning import Tuning, quicken, tune_parts
from app.lora_files import LoraFolder, lora_folder_of

_UNTUNED = Tuning()


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model in memory: `weight_bytes` of parameters, `resident_bytes` of the process and its device together.

    `shared` are those of its components, in bytes, that other models may use as well.
    """

    pipeline: StepPipeline
    manifest: Manifest
    device: str
    load_s: float
    weight_bytes: int
    resident_bytes: int
    shared: Mapping[Hashable, int] = field(default_factory=dict)

    @property
    def footprint(self) -> Footprint:
        """What it takes of a shelf."""
        return Footprint(self.weight_bytes - sum(self.shared.values()), self.shared)


def load_variant(settings: VariantSettings, *, pool: ComponentPool | None = None) -> LoadedModel:
    """Load the model of a variant as its settings want it; see `load_model`."""
    return load_model(
        settings.source,
        family=settings.family,
        device=settings.device,
        dtype=settings.dtype,
        tuning=Tuning(**settings.model_dump(include={each.name for each in fields(Tuning)})),
        lora_folder=lora_folder_of(settings),
        max_loras=settings.max_loras,
        max_lora_rank=settings.max_lora_rank,
        pool=pool,
    )


def weigh_variant(settings: VariantSettings) -> Footprint:
    """What the variant's model will take in memory, read off its files; raises ConfigurationError."""
    folder = find_folder(settings.source)
    shared = shared_components(
        folder, dtype=settings.dtype, device=choose_device(settings.device), vae_tiling=settings.vae_tiling
    )
    return weigh_components(folder, shared, dtype=settings.dtype, quantization=settings.quantization)


def load_model(
    source: str,
    *,
    family: str = "auto",
    device: str = "auto",
    dtype: str = "float32",
    tuning: Tuning = _UNTUNED,
    lora_folder: LoraFolder | None = None,
    max_loras: int = 8,
    max_lora_rank: int = 64,
    pool: ComponentPool | None = None,
    builtin_weights: Path = BUILTIN_WEIGHTS,
    clock: Callable[[], float] = time.monotonic,
) -> LoadedModel:
    """Load `builtin:NAME`, a folder in diffusers format, or a model id of the hub.

    The family `auto` is the one that the model's files name. Weights stored in `dtype` stay memory-mapped on a CPU,
    except those in eight bits. Text encoders and autoencoders that a model of the `pool` has are not loaded again.
    With a `lora_folder` pictures may ask for the LoRAs in it, of which `max_loras` stay loaded; if it is compiled,
    those of a picture are bound by `max_lora_rank` together. The process keeps the memory that it frees from now on.
    Raises ConfigurationError that says what to do.
    """
    keep_freed_memory()
    started_s = clock()
    chosen, folder = choose_device(device), find_folder(source, builtin_weights=builtin_weights)
    manifest = read_manifest(folder)
    drawing = family_named(manifest.family if family == "auto" else family)
    shared = shared_components(folder, dtype=dtype, device=chosen, vae_tiling=tuning.vae_tiling)
    parts = _load_parts(drawing.parts, folder, getattr(torch, dtype), {} if pool is None else pool.found(shared))
    tune_parts(parts, tuning, device=chosen)
    if pool is not None:
        pool.add(shared, parts.components)
    pipeline = drawn_by = drawing.draw_with(parts, manifest, encoder_revision(folder, dtype=dtype))
    if lora_folder is not None:
        pipeline = adapted(
            pipeline,
            parts,
            folder=lora_folder,
            max_loaded=max_loras,
            batch_invariant=tuning.determinism == "strict",
            compiled_rank=None if tuning.compile == "none" else max_lora_rank,
        )
    pipeline = quicken(pipeline, parts, tuning, drawn_by=drawn_by)
    networks = {name: part for name, part in parts.components.items() if isinstance(part, torch.nn.Module)}
    return LoadedModel(
        pipeline=pipeline,
        manifest=manifest,
        device=chosen,
        load_s=clock() - started_s,
        weight_bytes=sum(map(module_bytes, networks.values())),
        resident_bytes=resident_bytes(),
        shared={key: module_bytes(networks[name]) for name, key in shared.items() if name in networks},
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


def resident_bytes() -> int:
    """Memory that this process holds now, in main memory and on its GPU together."""
    on_device = torch.cuda.memory_allocated() if torch.cuda.is_available() else 0
    return int(psutil.Process().memory_info().rss) + on_device


def _load_parts(
    parts: type[DiffusionPipeline], folder: Path, dtype: torch.dtype, networks: Mapping[str, torch.nn.Module]
) -> Any:
    """The pipeline of a folder, with these networks in it instead of loading them."""
    _quieten()
    try:
        return parts.from_pretrained(folder, dtype=dtype, use_safetensors=True, local_files_only=True, **networks)
    except (OSError, ValueError, KeyError) as error:
        raise ConfigurationError(
            f"{folder} could not be loaded as a {parts.__name__}: {error}; fetch or train the model again"
        ) from error


def _quieten() -> None:
    """No progress bars, and no warnings that quote the prompts of users."""
    for library in (diffusers_logging, transformers_logging):
        library.disable_progress_bar()
        library.set_verbosity_error()
