"""Settings of what draws: variants of models, their replicas, and the upscaler behind them."""

import math
from collections.abc import Iterator, Mapping
from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from app.config.base import Settings

# One token of FLUX covers 16 x 16 pixels: the autoencoder's factor of eight, folded two by two.
LATENT_PATCH = 16

# Below this many steps neighbouring ones differ too much for one to stand for the other.
FEWEST_CACHED_STEPS = 20

# What describes the process of a host, not what it draws.
_OF_A_HOST = ("device", "memory_bytes", "compile_cache", "threads", "num_cpus", "num_gpus", "autoscaling")


class AutoscalingSettings(Settings):
    """How many replicas a deployment may have."""

    min_replicas: NonNegativeInt = Field(
        default=1, description="Replicas kept warm; zero saves idle GPUs for a cold start."
    )
    max_replicas: PositiveInt = Field(default=1, description="Upper bound: the most devices this variant may take.")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_replicas > self.max_replicas:
            raise ValueError(f"min_replicas {self.min_replicas} is greater than max_replicas {self.max_replicas}")
        return self


class VariantSettings(Settings):
    """One concrete way to run a model."""

    source: str = Field(description="builtin:NAME, a folder in diffusers format, or a model id of the hub.")
    family: Literal["auto", "flux", "sdxl", "diffusers"] = Field(
        default="auto",
        description="What draws. auto: what the model's files ask for; diffusers: any other pipeline, one by one.",
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: the GPU when there is one.")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        default="float32", description="Compute type; bfloat16 on GPUs, float32 on CPUs."
    )
    quantization: Literal["none", "int8", "fp8"] = Field(
        default="none",
        description="Blocks of the denoiser in 8 bits: fewer bytes, slightly different pictures. int8 sums exactly, "
        "anywhere; fp8 is faster, on GPUs of compute capability 8.9 or more (needs the extra).",
    )
    determinism: Literal["strict", "fast"] = Field(
        default="strict",
        description="strict: one seed, one picture, in any company; fast: batches cost less, and their last bits "
        "depend on who shares them.",
    )
    attention: str = Field(
        default="auto",
        description="auto: what PyTorch chooses; or a backend of diffusers, such as _native_cudnn, flash_hub or sage: "
        "faster where the device has it, other last bits.",
    )
    compile: Literal["none", "default", "max-autotune", "reduce-overhead"] = Field(
        default="none",
        description="Compile the denoiser for every native size and batch size: faster steps for a first start of "
        "minutes. max-autotune also times kernels against each other; reduce-overhead records CUDA graphs.",
    )
    compile_cache: str = Field(
        default="~/.cache/darkroom/compiled",
        description="Folder of compiled programs, which spares later starts the compiling; on a disk that stays.",
    )
    step_cache: NonNegativeFloat = Field(
        default=0.0,
        description="How far, as a share of its length, the network's answer may turn by prediction before the network "
        "is asked again: more skips more steps and changes pictures more. 0: asked at every step.",
    )
    vae_tiling: bool = Field(
        default=False,
        description="Decode large pictures in tiles: less memory at the peak, more time, seams that may show.",
    )
    default_steps: PositiveInt = Field(default=4, description="Denoising steps when the request names none.")
    max_steps: PositiveInt = Field(default=50, description="Most steps a request may ask for.")
    native_sizes: tuple[tuple[PositiveInt, PositiveInt], ...] = Field(
        default=(),
        description="Sizes (width, height) that the model draws at; the upscaler does the rest. Empty: as asked.",
    )
    max_batch: PositiveInt = Field(
        default=8, description="Most pictures denoised together; more raises throughput and the wait of each."
    )
    lora_folder: str | None = Field(
        default=None,
        description="Folder of LoRA files that requests may name, the same for gateway and replicas; absent: none.",
    )
    max_loras: PositiveInt = Field(
        default=8,
        description="LoRAs kept on the device, and most in one request; more saves loading for their files' size each.",
    )
    max_lora_bytes: PositiveInt = Field(default=2_000_000_000, description="Largest LoRA file that is read.")
    max_lora_rank: PositiveInt = Field(
        default=64,
        description="With compile: most that the ranks of a picture's LoRAs add up to; steps with LoRAs cost as much.",
    )
    batch_sizes: tuple[PositiveInt, ...] = Field(
        default=(),
        description="The only batch sizes that are formed, rising from 1: fewer are compiled and warmed sooner, more "
        "leave less of a batch out. Empty: all up to max_batch, or its powers of two where each size is compiled.",
    )
    host: str | None = Field(
        default=None,
        description="Variants with the same host share one process and its device; a variant's own name is its host "
        "when absent.",
    )
    memory_bytes: PositiveInt | None = Field(
        default=None,
        description="Most bytes of weights that a host keeps; variants used longest ago give way. Absent: all stay.",
    )
    pinned: bool = Field(
        default=False, description="Weights never give way to another variant of the host; true saves loading again."
    )
    threads: PositiveInt = Field(default=1, description="CPU threads of one replica.")
    num_cpus: NonNegativeFloat = Field(default=1.0, description="CPU cores that Ray sets aside for one replica.")
    num_gpus: NonNegativeFloat = Field(default=0.0, description="GPUs that Ray sets aside for one replica.")
    autoscaling: AutoscalingSettings = AutoscalingSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        conflicts = tuple(_conflicts(self))
        if conflicts:
            raise ValueError("; ".join(conflicts))
        return self

    @property
    def formed_batch_sizes(self) -> tuple[int, ...]:
        """The batch sizes that may be formed, in rising order."""
        if self.batch_sizes:
            return self.batch_sizes
        sizes = range(1, self.max_batch + 1)
        is_compiled_by_size = self.compile != "none" and self.determinism == "fast"
        return tuple(size for size in sizes if size.bit_count() == 1 or not is_compiled_by_size)

    def native_size(self, width: int, height: int) -> tuple[int, int]:
        """The size in pixels that this variant draws for a picture of `width` by `height`: the nearest aspect.

        Without native sizes it is the asked size, rounded up to what a FLUX latent can hold.
        """
        if not self.native_sizes:
            return _rounded_up(width), _rounded_up(height)
        wanted = math.log(width / height)
        return min(self.native_sizes, key=lambda size: abs(math.log(size[0] / size[1]) - wanted))


class UpscalerSettings(Settings):
    """The stage that brings every picture to the size that was asked for."""

    source: str = Field(
        default="builtin:upscaler", description="builtin:upscaler, or a file that spandrel can load (needs the extra)."
    )
    device: Literal["auto", "cpu", "cuda"] = Field(default="auto", description="auto: the GPU when there is one.")
    max_network_pixels: PositiveInt = Field(
        default=262_144,
        description="Largest network output in pixels, beyond which resampling takes over; more is sharper and slower.",
    )
    threads: PositiveInt = Field(default=1, description="CPU threads of one replica.")
    num_cpus: NonNegativeFloat = Field(default=0.5, description="CPU cores that Ray sets aside for one replica.")
    num_gpus: NonNegativeFloat = Field(default=0.0, description="GPUs that Ray sets aside for one replica.")
    autoscaling: AutoscalingSettings = AutoscalingSettings()


def _rounded_up(side: int) -> int:
    return math.ceil(side / LATENT_PATCH) * LATENT_PATCH


def by_host(variants: Mapping[str, VariantSettings]) -> dict[str, dict[str, VariantSettings]]:
    """The variants of each host, which share one process and its device.

    Raises ValueError that quotes both values when they do not agree about that process.
    """
    hosts: dict[str, dict[str, VariantSettings]] = {}
    for name, variant in variants.items():
        hosts.setdefault(variant.host or name, {})[name] = variant
    for host, sharing in hosts.items():
        _agree(host, sharing)
    return hosts


def _agree(host: str, variants: Mapping[str, VariantSettings]) -> None:
    (first, leader), *others = variants.items()
    for setting in _OF_A_HOST:
        for name, variant in others:
            ours, theirs = getattr(leader, setting), getattr(variant, setting)
            if ours != theirs:
                raise ValueError(f"{first} and {name} share host {host!r} but not {setting}: {ours!r} and {theirs!r}")


def _conflicts(variant: VariantSettings) -> Iterator[str]:
    """What the settings of a variant ask for that cannot be had together."""
    sizes = variant.batch_sizes
    if sizes and (sizes[0] != 1 or list(sizes) != sorted(set(sizes)) or sizes[-1] > variant.max_batch):
        yield f"batch_sizes {sizes} must rise from 1 to max_batch {variant.max_batch} at most"
    if variant.step_cache and variant.default_steps < FEWEST_CACHED_STEPS:
        yield (
            f"step_cache {variant.step_cache:g} with default_steps {variant.default_steps}: "
            f"steps resemble each other in runs of {FEWEST_CACHED_STEPS} and more only"
        )
    if variant.quantization == "fp8" and variant.dtype != "bfloat16":
        yield f"quantization fp8 with dtype {variant.dtype}: its products come in bfloat16"
    if variant.compile != "none":
        yield from _conflicts_with_compiling(variant)


def _conflicts_with_compiling(variant: VariantSettings) -> Iterator[str]:
    if not variant.native_sizes:
        yield f"compile {variant.compile} without native_sizes: each size is a program, so name those to be drawn"
    if variant.compile == "max-autotune" and variant.determinism == "strict":
        yield (
            "compile max-autotune with determinism strict: two replicas may time kernels differently "
            "and round differently; set determinism: fast"
        )
