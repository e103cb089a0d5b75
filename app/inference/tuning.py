"""How a model is made to run: precision, kernels, compiling, skipped steps, and whether company may show."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from torch import nn

from app.errors import ConfigurationError
from app.inference.attention import choose_attention
from app.inference.compilation import COMPILE_CACHE, CompiledSteps, OneByOne, compile_denoiser
from app.inference.determinism import make_batch_invariant
from app.inference.pipelines.contract import StepPipeline
from app.inference.pipelines.foreign.pipeline import ForeignStepPipeline
from app.inference.quantization import quantize_blocks, require_fp8
from app.inference.step_cache import StepCache, require_velocities


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What the settings of a variant say about speed; each field is the setting of that name."""

    quantization: Literal["none", "int8", "fp8"] = "none"
    determinism: Literal["strict", "fast"] = "strict"
    attention: str = "auto"
    compile: Literal["none", "default", "max-autotune", "reduce-overhead"] = "none"
    compile_cache: str = COMPILE_CACHE
    step_cache: float = 0.0
    vae_tiling: bool = False


def tune_parts(parts: Any, tuning: Tuning, *, device: str) -> None:
    """Bring a diffusers pipeline to its device, in the precision and with the kernels that are wanted, in place.

    Raises ConfigurationError for what this model or this machine does not have.
    """
    denoiser = _denoiser(parts)
    if tuning.quantization == "fp8":
        require_fp8(device)
    if tuning.quantization != "none":
        _require_blocks(denoiser, "quantization", tuning.quantization)
        quantize_blocks(denoiser, tuning.quantization, device=device)
    parts.to(device)
    choose_attention(denoiser, tuning.attention)
    if tuning.vae_tiling:
        _tile(parts)


def quicken(pipeline: StepPipeline, parts: Any, tuning: Tuning, *, drawn_by: StepPipeline) -> StepPipeline:
    """The pipeline, with its tuned parts compiled or made batch-invariant and its steps cached, as wanted.

    `drawn_by` is the family's own pipeline, which `pipeline` is or has at its heart. Raises
    ConfigurationError for what this model or this machine does not have.
    """
    denoiser, is_strict = _denoiser(parts), tuning.determinism == "strict"
    is_strict = is_strict and not isinstance(drawn_by, ForeignStepPipeline)  # which never draws a batch
    if tuning.step_cache:
        require_velocities(drawn_by)
    if tuning.compile != "none":
        _require_blocks(denoiser, "compile", tuning.compile)
        compile_denoiser(denoiser, tuning.compile, device=parts.device.type, cache=Path(tuning.compile_cache))
        pipeline = OneByOne(CompiledSteps(pipeline)) if is_strict else CompiledSteps(pipeline)
    elif is_strict:
        make_batch_invariant(denoiser)
    return StepCache(pipeline, tolerance=tuning.step_cache) if tuning.step_cache else pipeline


def _denoiser(parts: Any) -> Any:
    """The network that is asked at every step; an empty one where the pipeline has none of a known name."""
    found = (parts.components.get(name) for name in ("transformer", "unet"))
    return next((network for network in found if network is not None), nn.Module())


def _require_blocks(denoiser: Any, setting: str, value: str) -> None:
    if not getattr(denoiser, "_repeated_blocks", None):
        raise ConfigurationError(f"{setting}: {value} needs a model of repeated blocks; set {setting}: none")


def _tile(parts: Any) -> None:
    vae = parts.components.get("vae")
    if not hasattr(vae, "enable_tiling"):
        raise ConfigurationError("vae_tiling: this model's autoencoder cannot work in tiles; set vae_tiling: false")
    vae.enable_tiling()
