"""Reads a LoRA file: what it adds to which layer of a model's denoiser.

Every format that the diffusers pipeline of the model understands is read. What a file holds for
text encoders is ignored, and so are layers that the model does not have: a LoRA made for
FLUX.1-dev is often used with FLUX.1-schnell. Anything else than LoRA, and layers of another
shape, are refused: a file that acts in part would give a picture that nobody asked for.
"""

import json
import logging
import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from diffusers.loaders.lora_base import LORA_ADAPTER_METADATA_KEY
from diffusers.utils.state_dict_utils import convert_unet_state_dict_to_peft
from safetensors.torch import load
from torch import nn

from app.inference.loras.low_rank import LowRank, low_rank_beside

Layers = dict[str, LowRank]
Weights = dict[str, torch.Tensor]

_DENOISERS = ("transformer", "unet")
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"
_PLAIN_NAME = re.compile(r"\^?[\w.]+")
_OTHER_KINDS = ("dora_scale", "lora_magnitude_vector", "lokr_", "hada_")

logger = logging.getLogger(__name__)


class UnusableLoraError(ValueError):
    """The file cannot be laid over this model; the text says why, in words for whoever asked for it."""


def denoiser_of(parts: Any) -> tuple[str, Any]:
    """The network of a diffusers pipeline that LoRAs act on, after the name by which their files know it.

    Raises UnusableLoraError when the pipeline knows no LoRAs.
    """
    found = [name for name in _DENOISERS if parts.components.get(name) is not None]
    if not found or not hasattr(parts, "lora_state_dict"):
        raise UnusableLoraError(f"a {type(parts).__name__} takes no LoRAs")
    return found[0], parts.components[found[0]]


def read_lora(data: bytes, parts: Any) -> Layers:
    """What the file adds, by the name of the layer, in the type and on the device of the pipeline's denoiser.

    Raises UnusableLoraError.
    """
    name, denoiser = denoiser_of(parts)
    try:
        weights, alphas = _by_layer(data, parts, f"{name}.")
        layers = {path: layer for path in _paths(weights) if (layer := _layer_at(denoiser, path)) is not None}
        lora = {path: _addition(layer, weights, path, alphas) for path, layer in layers.items()}
    except UnusableLoraError:
        raise
    except Exception as error:  # the converters of diffusers fail in as many ways as there are formats
        raise UnusableLoraError("The file is not a LoRA in a known format") from error
    if not lora:
        raise UnusableLoraError("The LoRA was made for another model: it fits none of the layers of this one")
    if len(lora) < len(_paths(weights)):
        logger.warning("a LoRA has %d layers that the model has not", len(_paths(weights)) - len(lora))
    device, dtype = denoiser.device, denoiser.dtype
    return {path: addition.to(device, dtype) for path, addition in lora.items()}


def _by_layer(data: bytes, parts: Any, prefix: str) -> tuple[Weights, dict[str, float]]:
    """The denoiser's weights under diffusers' own names, and by layer the alpha that its trainer gave it."""
    tensors = load(data)
    if any(kind in key for key in tensors for kind in _OTHER_KINDS):
        raise UnusableLoraError("The file holds another kind of adapter; plain LoRA is supported")
    found = parts.lora_state_dict(tensors, return_alphas=True, unet_config=denoiser_of(parts)[1].config)
    weights, alphas = found[:2] if isinstance(found, tuple) else (found, None)
    if any(key.startswith("text_encoder") for key in weights):
        logger.warning("a LoRA has weights for text encoders, which are ignored")
    weights = _below(prefix, convert_unet_state_dict_to_peft(weights))
    alphas = _below(prefix, convert_unet_state_dict_to_peft(alphas or {}))
    by_layer = {key.split(".lora_A")[0].removesuffix(".alpha"): float(alpha) for key, alpha in alphas.items()}
    return weights, by_layer or _declared_alphas(_declaration(data, prefix), weights)


def _below(prefix: str, named: Mapping[str, Any]) -> dict[str, Any]:
    return {key.removeprefix(prefix): value for key, value in named.items() if key.startswith(prefix)}


def _declaration(data: bytes, prefix: str) -> dict[str, Any]:
    """What a file written by diffusers says about the configuration of its adapter."""
    length = int.from_bytes(data[:8], "little")
    metadata = json.loads(data[8 : 8 + length]).get("__metadata__", {})
    return _below(prefix, json.loads(metadata.get(LORA_ADAPTER_METADATA_KEY, "{}")))


def _declared_alphas(declared: dict[str, Any], weights: Weights) -> dict[str, float]:
    if not declared:
        return {}
    if declared.get("use_dora") or declared.get("lora_bias"):
        raise UnusableLoraError("The file holds another kind of adapter; plain LoRA is supported")
    exceptions = declared.get("alpha_pattern") or {}
    if not all(_PLAIN_NAME.fullmatch(name) for name in exceptions):
        raise UnusableLoraError("The LoRA describes its layers by patterns; only names are supported")

    def alpha(path: str) -> float:
        value = float(next((exceptions[name] for name in exceptions if _names(name, path)), declared["lora_alpha"]))
        return value * math.sqrt(len(weights[path + _DOWN])) if declared.get("use_rslora") else value

    return {path: alpha(path) for path in _paths(weights)}


def _names(name: str, path: str) -> bool:
    """Whether a name, whole after a caret or else the end of one, is that of the layer."""
    return path == name.removeprefix("^") or path.endswith(f".{name}")


def _paths(weights: Weights) -> list[str]:
    """The layers that the weights belong to."""
    if not all(key.endswith((_DOWN, _UP)) for key in weights):
        raise UnusableLoraError("The file holds more than a LoRA: it would replace weights of the model")
    return sorted({key.removesuffix(_DOWN).removesuffix(_UP) for key in weights})


def _layer_at(denoiser: nn.Module, path: str) -> nn.Module | None:
    try:
        return denoiser.get_submodule(path)
    except AttributeError:
        return None


def _addition(layer: nn.Module, weights: Weights, path: str, alphas: Mapping[str, float]) -> LowRank:
    down, up = weights[path + _DOWN], weights[path + _UP]
    addition = low_rank_beside(layer, rank := len(down))
    if addition is None:
        raise UnusableLoraError("The LoRA acts on a kind of layer that cannot carry one")
    try:
        addition.fill(down, up.float() * (alphas.get(path, rank) / rank))
    except ValueError as error:
        raise UnusableLoraError("The LoRA was made for another model: its layers have other sizes") from error
    return addition
