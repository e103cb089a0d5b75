"""LoRA files of random weights for the tiny pipelines, written by diffusers itself or in kohya's format."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from diffusers import DiffusionPipeline
from safetensors.torch import save_file
from torch import nn

from app.generation import Lora
from app.inference.loras.reading import denoiser_of

Weights = dict[str, torch.Tensor]


def random_layers(
    denoiser: nn.Module, *, seed: int = 0, rank: int = 4, within: Callable[[str], bool] = lambda path: ".attn" in path
) -> Weights:
    """Weights in PEFT's names for every linear layer of the denoiser whose path is `within`."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for path, layer in denoiser.named_modules():
        if isinstance(layer, nn.Linear) and within(path):
            weights[f"{path}.lora_A.weight"] = 0.3 * torch.randn(rank, layer.in_features, generator=generator)
            weights[f"{path}.lora_B.weight"] = 0.3 * torch.randn(layer.out_features, rank, generator=generator)
    return weights


def write_lora(folder: Path, name: str, parts: DiffusionPipeline, *, alpha: float | None = None, **choice: Any) -> Lora:
    """A LoRA as diffusers saves it, with its configuration where an alpha is given; stamped, scale 1."""
    kind, denoiser = denoiser_of(parts)
    layers = random_layers(denoiser, **choice)
    rank = len(next(iter(layers.values())))
    targets = sorted({key.split(".lora")[0] for key in layers})
    configuration = {"r": rank, "lora_alpha": alpha, "target_modules": targets}
    parts.save_lora_weights(
        folder,
        weight_name=name,
        **{f"{kind}_lora_layers": layers},
        **({} if alpha is None else {f"{kind}_lora_adapter_metadata": configuration}),
    )
    return stamped(folder, name)


def write_file(folder: Path, name: str, weights: Weights) -> Lora:
    """A safetensors file of these weights, as a stamped LoRA of scale 1."""
    save_file(weights, folder / name)
    return stamped(folder, name)


def stamped(folder: Path, name: str) -> Lora:
    """The file as a LoRA that is asked for with the content that it has now."""
    return Lora(path=name, digest=hashlib.sha256((folder / name).read_bytes()).hexdigest())
