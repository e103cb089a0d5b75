"""The inputs of fal's endpoints: names, defaults and ranges as fal documents them.

Three bounds are ours: the sides of a picture, the length of a prompt, and that
image-to-image may use fewer than fal's 10 steps, because few-step models need no more.
So are the formats webp and avif, and `output_quality`.
"""

from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from app.api.fal.sizes import CUSTOM, PRESET, RequestedSize, SizePreset
from app.cache_levels import CacheLimit
from app.errors import FieldIssue, InvalidInputError
from app.generation import ImageFormat
from app.inference.pictures import can_encode
from app.lora_files import complaint_about

# The largest integer that every JSON client keeps exactly.
MAX_SEED = 2**53 - 1
MOST_ISSUES = 100

Input = TypeVar("Input", bound=BaseModel)


class ModelInput(BaseModel):
    """What every endpoint takes; unknown fields are ignored, as fal does."""

    model_config = ConfigDict(allow_inf_nan=False)

    sync_mode: bool = Field(default=False, description="Answer with the picture itself, as a data URI, not its URL.")
    cache: CacheLimit = Field(
        default=CacheLimit.SIMILAR,
        description="What may be answered with a picture made before, as far as the server allows it. off: nothing; "
        "exact: the same request, seed included; canonical: also the same request in other words, unless a seed is "
        "named, more than one picture is wanted, or the caller repeats its own words; similar: then also a similar "
        "request, where audits have shown how rarely that is wrong.",
    )


def _named_well(path: str) -> str:
    if complaint := complaint_about(path):
        raise PydanticCustomError("value_error", "{complaint}", {"complaint": complaint})
    return path


class LoraWeight(BaseModel):
    """A LoRA and how strongly it acts."""

    model_config = ConfigDict(allow_inf_nan=False)

    path: Annotated[str, AfterValidator(_named_well)] = Field(
        description="The LoRA's file below the folder of LoRAs that the server is configured with."
    )
    scale: float = Field(default=1, ge=0, le=4, description="How strongly the LoRA acts; 0 not at all.")


def _encodable(image_format: ImageFormat) -> ImageFormat:
    if not can_encode(image_format):
        name = image_format.name
        raise PydanticCustomError("feature_not_supported", "{name} cannot be written on this server", {"name": name})
    return image_format


OutputFormat = Annotated[ImageFormat, AfterValidator(_encodable)]
OutputQuality = Annotated[
    int | None,
    Field(
        ge=1,
        le=100,
        description="How much of the image the file keeps, 1 to 100; what is usual when absent. A PNG keeps all, and "
        "a WebP of 100 does.",
    ),
]


class FluxInput(ModelInput):
    """What all FLUX endpoints take."""

    prompt: str = Field(max_length=10_000, description="The prompt to generate an image from.")
    num_inference_steps: int = Field(default=28, ge=1, le=50, description="The number of inference steps to perform.")
    seed: int | None = Field(
        default=None,
        ge=0,
        le=MAX_SEED,
        description="The same seed and the same prompt given to the same model give the same image every time.",
    )
    guidance_scale: float = Field(
        default=3.5, ge=1, le=20, description="How closely the image should follow the prompt."
    )
    num_images: int = Field(default=1, ge=1, le=4, description="The number of images to generate.")
    loras: list[LoraWeight] = Field(
        default=[], max_length=100, description="The LoRAs to use, which act together in this order."
    )
    enable_safety_checker: bool = Field(default=True, description="Accepted for compatibility; nothing is filtered.")
    output_format: OutputFormat = Field(default=ImageFormat.JPEG, description="The format of the generated image.")
    output_quality: OutputQuality = None
    acceleration: Literal["none", "regular", "high"] = Field(
        default="none", description="Accepted for compatibility; the configuration decides how fast a model runs."
    )


class TextToImageInput(FluxInput):
    """fal-ai/flux/dev, and every text-to-image endpoint that fal does not know."""

    image_size: RequestedSize = Field(
        default=SizePreset.LANDSCAPE_4_3, description="The size of the generated image, by name or in pixels."
    )


class FluxSchnellInput(TextToImageInput):
    """fal-ai/flux/schnell."""

    num_inference_steps: int = Field(default=4, ge=1, le=12, description="The number of inference steps to perform.")


class ImageToImageInput(FluxInput):
    """fal-ai/flux/dev/image-to-image; the answer has the size of the input image."""

    image_url: str = Field(description="The image to start from: a URL or a data URI.")
    strength: float = Field(
        default=0.95, ge=0.01, le=1, description="How far the answer may depart from the image; 1 ignores it."
    )
    num_inference_steps: int = Field(default=40, ge=1, le=50, description="The number of inference steps to perform.")


class FastSdxlInput(TextToImageInput):
    """fal-ai/fast-sdxl."""

    negative_prompt: str = Field(default="", max_length=10_000, description="What the image shall not show.")
    image_size: RequestedSize = Field(
        default=SizePreset.SQUARE_HD, description="The size of the generated image, by name or in pixels."
    )
    num_inference_steps: int = Field(default=25, ge=1, le=50, description="The number of inference steps to perform.")
    guidance_scale: float = Field(
        default=7.5, ge=0, le=20, description="How closely the image should follow the prompt; up to 1 not guided."
    )
    num_images: int = Field(default=1, ge=1, le=8, description="The number of images to generate.")
    output_format: OutputFormat = Field(
        default=ImageFormat.JPEG, alias="format", description="The format of the generated image."
    )


class FastLcmInput(FastSdxlInput):
    """fal-ai/fast-lcm-diffusion, which realtime clients use."""

    sync_mode: bool = Field(default=True, description="Answer with the picture itself, as a data URI, not its URL.")
    num_inference_steps: int = Field(default=6, ge=1, le=32, description="The number of inference steps to perform.")
    guidance_scale: float = Field(
        default=1.5, ge=0, le=20, description="How closely the image should follow the prompt; up to 1 not guided."
    )


class FluxLoraInput(TextToImageInput):
    """fal-ai/flux-lora."""

    guidance_scale: float = Field(
        default=3.5, ge=0, le=35, description="How closely the image should follow the prompt."
    )


class FluxLoraImageToImageInput(ImageToImageInput):
    """fal-ai/flux-lora/image-to-image."""

    strength: float = Field(
        default=0.85, ge=0.01, le=1, description="How far the answer may depart from the image; 1 ignores it."
    )
    num_inference_steps: int = Field(default=28, ge=1, le=50, description="The number of inference steps to perform.")
    guidance_scale: float = Field(
        default=3.5, ge=0, le=35, description="How closely the image should follow the prompt."
    )


def _not_offered(asked: bool) -> bool:
    if asked:
        raise PydanticCustomError("feature_not_supported", "Face enhancement is not offered")
    return asked


class UpscaleInput(ModelInput):
    """What all upscalers take."""

    image_url: str = Field(description="The image to upscale: a URL or a data URI.")


class EsrganInput(UpscaleInput):
    """fal-ai/esrgan."""

    scale: float = Field(default=2, ge=1, le=8, description="Rescaling factor.")
    tile: int = Field(default=0, ge=0, description="Accepted for compatibility; the upscaler chooses its tiles.")
    face: Annotated[bool, AfterValidator(_not_offered)] = Field(
        default=False, description="Face enhancement is not offered."
    )
    model: Literal[
        "RealESRGAN_x4plus",
        "RealESRGAN_x2plus",
        "RealESRGAN_x4plus_anime_6B",
        "RealESRGAN_x4_v3",
        "RealESRGAN_x4_wdn_v3",
        "RealESRGAN_x4_anime_v3",
    ] = Field(default="RealESRGAN_x4plus", description="Accepted for compatibility; the configured upscaler answers.")
    output_format: OutputFormat = Field(default=ImageFormat.PNG, description="The format of the upscaled image.")
    output_quality: OutputQuality = None


class AuraSrInput(UpscaleInput):
    """fal-ai/aura-sr."""

    upscale_factor: Literal[4] = Field(default=4, description="Upscaling factor.")
    overlapping_tiles: bool = Field(default=False, description="Accepted for compatibility.")
    checkpoint: Literal["v1", "v2"] = Field(default="v1", description="Accepted for compatibility.")


DrawingInput = TextToImageInput | ImageToImageInput
EnlargingInput = EsrganInput | AuraSrInput


def validated(model: type[Input], payload: dict[str, Any]) -> Input:
    """The payload as the model's input; raises InvalidInputError that names every field that is wrong, 100 at most."""
    try:
        return model.model_validate(payload)
    except ValidationError as error:
        issues = error.errors(include_url=False, include_input=False)[:MOST_ISSUES]
        raise InvalidInputError(tuple(map(_issue, issues))) from error


def _issue(details: ErrorDetails) -> FieldIssue:
    fields = (part for part in details["loc"] if part not in (CUSTOM, PRESET))
    return FieldIssue(("body", *fields), details["msg"], details["type"], details.get("ctx", {}))
