"""The inputs of fal's upscalers that draw: the picture is begun from the old one, larger, and so gets new detail."""

from typing import Literal

from pydantic import Field

from app.api.fal.schemas import ImageToImageInput, OutputFormat
from app.generation import ImageFormat


class RedrawingInput(ImageToImageInput):
    """What all of them take; the answer is one picture, `enlargement` times as wide and as high."""

    prompt: str = Field(default="", max_length=10_000, description="What the picture shows; not guessed when absent.")
    negative_prompt: str = Field(default="", max_length=10_000, description="What the picture shall not show.")
    num_images: Literal[1] = Field(default=1, description="One picture is answered.")
    output_format: OutputFormat = Field(default=ImageFormat.PNG, description="The format of the upscaled image.")
    enlargement: float = Field(default=2, ge=1, le=4, description="The factor of width and height.")


class ClarityInput(RedrawingInput):
    """fal-ai/clarity-upscaler."""

    prompt: str = Field(
        default="masterpiece, best quality, highres", max_length=10_000, description="What the picture shows."
    )
    negative_prompt: str = Field(
        default="(worst quality, low quality, normal quality:2)",
        max_length=10_000,
        description="What the picture shall not show.",
    )
    enlargement: float = Field(default=2, ge=1, le=4, alias="upscale_factor", description="Upscaling factor.")
    strength: float = Field(
        default=0.35, ge=0, le=1, alias="creativity", description="How far the answer may depart from the image."
    )
    resemblance: float = Field(
        default=0.6, ge=0, le=1, description="Accepted for compatibility; `creativity` decides how alike they are."
    )
    guidance_scale: float = Field(
        default=4, ge=0, le=20, description="How closely the image should follow the prompt; up to 1 not guided."
    )
    num_inference_steps: int = Field(default=18, ge=4, le=50, description="The number of inference steps to perform.")


class CreativeInput(RedrawingInput):
    """fal-ai/creative-upscaler."""

    enlargement: float = Field(default=2, ge=1, le=5, alias="scale", description="Rescaling factor.")
    strength: float = Field(
        default=0.5, ge=0, le=1, alias="creativity", description="How far the answer may depart from the image."
    )
    detail: float = Field(default=1, ge=0, le=5, description="Accepted for compatibility.")
    shape_preservation: float = Field(
        default=0.25, ge=0, le=3, description="Accepted for compatibility; `creativity` decides how alike they are."
    )
    guidance_scale: float = Field(
        default=7.5, ge=0, le=16, description="How closely the image should follow the prompt; up to 1 not guided."
    )
    num_inference_steps: int = Field(default=20, ge=1, le=200, description="The number of inference steps to perform.")
    model_type: Literal["SD_1_5", "SDXL"] = Field(
        default="SD_1_5", description="Accepted for compatibility; the configured variant draws."
    )
