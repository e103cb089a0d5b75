"""Which endpoint ids are served, with which input schema, and by which variant."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from app.api.fal.paths import not_found
from app.api.fal.redrawing import ClarityInput, CreativeInput, RedrawingInput
from app.api.fal.schemas import (
    AuraSrInput,
    DrawingInput,
    EnlargingInput,
    EsrganInput,
    FastLcmInput,
    FastSdxlInput,
    FluxLoraImageToImageInput,
    FluxLoraInput,
    FluxSchnellInput,
    ImageToImageInput,
    TextToImageInput,
)
from app.config import DarkroomSettings, EndpointSettings, VariantSettings
from app.generation import Task

_DRAWING_SCHEMAS: dict[tuple[Task, str], type[DrawingInput]] = {
    (Task.TEXT_TO_IMAGE, "fal-ai/flux/schnell"): FluxSchnellInput,
    (Task.TEXT_TO_IMAGE, "fal-ai/flux-1/schnell"): FluxSchnellInput,
    (Task.TEXT_TO_IMAGE, "fal-ai/flux/dev"): TextToImageInput,
    (Task.TEXT_TO_IMAGE, "fal-ai/flux-1/dev"): TextToImageInput,
    (Task.IMAGE_TO_IMAGE, "fal-ai/flux/dev/image-to-image"): ImageToImageInput,
    (Task.IMAGE_TO_IMAGE, "fal-ai/flux-1/dev/image-to-image"): ImageToImageInput,
    (Task.TEXT_TO_IMAGE, "fal-ai/flux-lora"): FluxLoraInput,
    (Task.TEXT_TO_IMAGE, "fal-ai/fast-sdxl"): FastSdxlInput,
    (Task.TEXT_TO_IMAGE, "fal-ai/fast-lcm-diffusion"): FastLcmInput,
    (Task.IMAGE_TO_IMAGE, "fal-ai/flux-lora/image-to-image"): FluxLoraImageToImageInput,
    (Task.IMAGE_TO_IMAGE, "fal-ai/clarity-upscaler"): ClarityInput,
    (Task.IMAGE_TO_IMAGE, "fal-ai/creative-upscaler"): CreativeInput,
}
_DRAWING_SCHEMA_BY_TASK: dict[Task, type[DrawingInput]] = {
    Task.TEXT_TO_IMAGE: TextToImageInput,
    Task.IMAGE_TO_IMAGE: ImageToImageInput,
}
_UPSCALING_SCHEMAS: dict[str, type[EnlargingInput]] = {"fal-ai/esrgan": EsrganInput, "fal-ai/aura-sr": AuraSrInput}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawingEndpoint:
    """An endpoint that draws, with the steps when the caller names none and the most that it may name."""

    endpoint_id: str
    task: Task
    schema: type[DrawingInput]
    variant: str
    variant_settings: VariantSettings
    default_steps: int
    max_steps: int

    @property
    def enlarges(self) -> bool:
        """Whether it draws one given picture again, larger."""
        return issubclass(self.schema, RedrawingInput)


@dataclass(frozen=True, slots=True, kw_only=True)
class UpscalingEndpoint:
    """An endpoint that enlarges a picture."""

    endpoint_id: str
    task: Task
    schema: type[EnlargingInput]


Endpoint = DrawingEndpoint | UpscalingEndpoint


class EndpointTable:
    """All endpoints of one configuration, by id."""

    def __init__(self, settings: DarkroomSettings) -> None:
        self._endpoints = {
            endpoint_id: _endpoint(endpoint_id, endpoint, settings.variants)
            for endpoint_id, endpoint in settings.endpoints.items()
        }

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._endpoints.values())

    def __contains__(self, endpoint_id: object) -> bool:
        return endpoint_id in self._endpoints

    def find(self, endpoint_id: str) -> Endpoint:
        """The endpoint of that id; raises NotFoundError."""
        if endpoint_id not in self._endpoints:
            raise not_found(endpoint_id)
        return self._endpoints[endpoint_id]


def _endpoint(endpoint_id: str, settings: EndpointSettings, variants: Mapping[str, VariantSettings]) -> Endpoint:
    if settings.variant is None:
        schema = _UPSCALING_SCHEMAS.get(endpoint_id, EsrganInput)
        return UpscalingEndpoint(endpoint_id=endpoint_id, task=settings.task, schema=schema)
    return _drawing_endpoint(endpoint_id, settings, settings.variant, variants[settings.variant])


def _drawing_endpoint(
    endpoint_id: str, settings: EndpointSettings, name: str, variant: VariantSettings
) -> DrawingEndpoint:
    documented = _DRAWING_SCHEMAS.get((settings.task, endpoint_id))
    schema = documented or _DRAWING_SCHEMA_BY_TASK[settings.task]
    usual_steps = schema.model_fields["num_inference_steps"].default if documented else variant.default_steps
    return DrawingEndpoint(
        endpoint_id=endpoint_id,
        task=settings.task,
        schema=schema,
        variant=name,
        variant_settings=variant,
        default_steps=min(settings.default_steps or usual_steps, variant.max_steps),
        max_steps=variant.max_steps,
    )
