"""From fal's input to the one internal form of a request."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from app.api.fal.endpoints import DrawingEndpoint, Endpoint, UpscalingEndpoint
from app.api.fal.redrawing import RedrawingInput
from app.api.fal.schemas import (
    AuraSrInput,
    DrawingInput,
    EnlargingInput,
    EsrganInput,
    FastSdxlInput,
    ImageToImageInput,
    LoraWeight,
    ModelInput,
    validated,
)
from app.api.fal.sizes import MAX_SIDE, fitted
from app.api.fal.sources import Source, SourcePictures
from app.api.refusals import refused_file
from app.config import VariantSettings
from app.errors import FieldIssue, InvalidInputError
from app.generation import LOCAL_TENANT, GenerationRequest, ImageFormat, Lora, PictureSpec, Task, Tier
from app.handling import USUAL, Handling, Webhook
from app.lora_files import LoraStamps, lora_folder_of

MAX_UPSCALED_SIDE = 4096
_UPSCALER = "upscaler"


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What a call says beside its input; `base_url` is this server as the client sees it, `caller` who it is.

    `tenant` is whose the request is, `file_salt` what goes into the names of its files.
    """

    request_id: str
    tier: Tier
    base_url: str
    start_timeout_s: float | None = None
    previews: bool = False
    caller: str = ""
    tenant: str = LOCAL_TENANT
    file_salt: str = ""
    is_ephemeral: bool = False
    webhook: Webhook | None = None
    handling: Handling = USUAL


@dataclass(frozen=True, slots=True)
class _Canvas:
    width: int
    height: int
    source_key: str | None = None
    strength: float = 1.0


class Translator:
    """Validates inputs, fixes what the caller left open, and brings input pictures into the blob store.

    LoRAs are stamped with the content that their files have now.
    """

    def __init__(self, *, sources: SourcePictures, draw_seed: Callable[[], int]) -> None:
        self._sources = sources
        self._draw_seed = draw_seed
        self._stamps = LoraStamps()

    async def request(self, endpoint: Endpoint, payload: dict[str, Any], call: Call) -> GenerationRequest:
        """The internal request; raises InvalidInputError that names what is wrong."""
        if isinstance(endpoint, UpscalingEndpoint):
            return await self._enlargement(endpoint, validated(endpoint.schema, payload), call)
        return await self._drawing(endpoint, validated(endpoint.schema, payload), call)

    async def _enlargement(self, endpoint: UpscalingEndpoint, inputs: EnlargingInput, call: Call) -> GenerationRequest:
        source = await self._sources.load(inputs.image_url, own_base=call.base_url, salt=call.file_salt)
        return _request(endpoint, call, inputs, spec=_upscaled(source, inputs))

    async def _drawing(self, endpoint: DrawingEndpoint, inputs: DrawingInput, call: Call) -> GenerationRequest:
        steps = _steps(endpoint, inputs)
        loras = await self._loras(endpoint.variant_settings, inputs.loras)
        canvas = await self._canvas(inputs, call)
        native_width, native_height = endpoint.variant_settings.native_size(canvas.width, canvas.height)
        spec = PictureSpec(
            task=endpoint.task,
            variant=endpoint.variant,
            prompt=inputs.prompt,
            width=canvas.width,
            height=canvas.height,
            native_width=native_width,
            native_height=native_height,
            steps=steps,
            seed=self._draw_seed() if inputs.seed is None else inputs.seed,
            negative_prompt=inputs.negative_prompt if isinstance(inputs, FastSdxlInput | RedrawingInput) else "",
            guidance_scale=inputs.guidance_scale,
            strength=canvas.strength,
            source_key=canvas.source_key,
            loras=loras,
            image_format=inputs.output_format,
            quality=_quality(inputs.output_format, inputs.output_quality),
        )
        return replace(
            _request(endpoint, call, inputs, spec=spec),
            num_images=inputs.num_images,
            seed_is_free=inputs.seed is None,
        )

    async def _loras(self, settings: VariantSettings, asked: list[LoraWeight]) -> tuple[Lora, ...]:
        if not asked:
            return ()
        folder = lora_folder_of(settings)
        if folder is None:
            raise _refused_loras("feature_not_supported", "This endpoint takes no LoRAs")
        if len(asked) > settings.max_loras:
            message = f"At most {settings.max_loras} LoRAs act together"
            raise _refused_loras("sequence_too_long", message, max_length=settings.max_loras)
        loras = [Lora(path=lora.path, scale=lora.scale) for lora in asked]
        return await asyncio.to_thread(self._stamps.stamped, loras, folder)

    async def _canvas(self, inputs: DrawingInput, call: Call) -> _Canvas:
        if isinstance(inputs, ImageToImageInput):
            source = await self._sources.load(inputs.image_url, own_base=call.base_url, salt=call.file_salt)
            return _Canvas(*_canvas_size(source, inputs), source.blob_key, inputs.strength)
        return _Canvas(*inputs.image_size.pixels)


def _request(endpoint: Endpoint, call: Call, inputs: ModelInput, *, spec: PictureSpec) -> GenerationRequest:
    return GenerationRequest(
        request_id=call.request_id,
        tenant=call.tenant,
        file_salt=call.file_salt,
        endpoint=endpoint.endpoint_id,
        spec=spec,
        tier=call.tier,
        start_timeout_s=call.start_timeout_s,
        previews=call.previews,
        inline=inputs.sync_mode,
        cache=inputs.cache,
        caller=call.caller,
        ephemeral=call.is_ephemeral,
        webhook=call.webhook,
        handling=call.handling,
    )


def _steps(endpoint: DrawingEndpoint, inputs: DrawingInput) -> int:
    if "num_inference_steps" not in inputs.model_fields_set:
        return endpoint.default_steps
    limit = endpoint.max_steps
    if inputs.num_inference_steps > limit:
        message = f"Input should be less than or equal to {limit}"
        loc = ("body", "num_inference_steps")
        raise InvalidInputError((FieldIssue(loc, message, "less_than_equal", {"le": limit}),))
    return inputs.num_inference_steps


def _refused_loras(issue_type: str, message: str, **context: Any) -> InvalidInputError:
    return InvalidInputError((FieldIssue(("body", "loras"), message, issue_type, context),))


def _canvas_size(source: Source, inputs: ImageToImageInput) -> tuple[int, int]:
    if isinstance(inputs, RedrawingInput):
        return fitted(*_enlarged(source, inputs.enlargement, most=MAX_SIDE))
    return fitted(source.width, source.height)


def _enlarged(source: Source, factor: float, *, most: int) -> tuple[int, int]:
    width, height = round(source.width * factor), round(source.height * factor)
    if max(width, height) > most:
        raise _too_large_to_upscale(factor, most)
    return width, height


def _upscaled(source: Source, inputs: EnlargingInput) -> PictureSpec:
    factor, image_format, quality = _enlarging(inputs)
    width, height = _enlarged(source, factor, most=MAX_UPSCALED_SIDE)
    return PictureSpec(
        task=Task.UPSCALE,
        variant=_UPSCALER,
        width=width,
        height=height,
        native_width=source.width,
        native_height=source.height,
        source_key=source.blob_key,
        image_format=image_format,
        quality=quality,
    )


def _enlarging(inputs: EnlargingInput) -> tuple[float, ImageFormat, int | None]:
    match inputs:
        case EsrganInput():
            quality = _quality(inputs.output_format, inputs.output_quality)
            return inputs.scale, inputs.output_format, quality
        case AuraSrInput():
            return inputs.upscale_factor, ImageFormat.PNG, None


def _quality(image_format: ImageFormat, asked: int | None) -> int | None:
    """The asked quality where the format has one, so that equal files have equal specs."""
    return asked if image_format.has_quality else None


def _too_large_to_upscale(factor: float, most: int) -> InvalidInputError:
    side = int(most / factor)
    message = f"The picture is too large to be upscaled {factor:g} times; its sides may have {side} pixels"
    return refused_file("image_too_large", message, max_width=side, max_height=side)
