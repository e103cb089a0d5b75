"""From OpenAI's input to the one internal form of a request, by way of the endpoint's own input."""

from dataclasses import replace
from typing import Any

from app.api.data_uri import encode_data_uri
from app.api.fal.endpoints import DrawingEndpoint
from app.api.fal.translate import Call, Translator
from app.api.openai.inputs import PicturesInput, Quality
from app.generation import GenerationRequest, PictureSpec

# The share of an endpoint's usual steps.
_STEPS: dict[Quality, float] = {"low": 0.5, "medium": 1, "high": 1.5, "xhigh": 2, "max": 3}
_STEPS_FIELD = "num_inference_steps"


class PicturesTranslator:
    """Says in the endpoint's words what OpenAI's client asks for.

    Quality is a number of steps, unless the client names that number itself; a size names
    the answer's own, also where it starts from a picture of another.
    """

    def __init__(self, translator: Translator) -> None:
        self._translator = translator

    async def request(
        self, endpoint: DrawingEndpoint, asked: PicturesInput, call: Call, *, image: bytes | None = None
    ) -> GenerationRequest:
        """The internal request; raises InvalidInputError that names what is wrong."""
        quality = asked.quality_of_file()
        request = await self._translator.request(endpoint, _payload(endpoint, asked, image), call)
        spec = _sized(request.spec, endpoint, asked)
        if quality is not None:
            spec = replace(spec, quality=quality)
        if _STEPS_FIELD not in asked.endpoint_inputs:
            spec = replace(spec, steps=_steps(endpoint, asked.quality))
        return replace(request, spec=spec, num_images=asked.n)


def _payload(endpoint: DrawingEndpoint, asked: PicturesInput, image: bytes | None) -> dict[str, Any]:
    format_field = endpoint.schema.model_fields["output_format"].alias or "output_format"
    payload = asked.endpoint_inputs | {"prompt": asked.prompt, format_field: asked.output_format.value}
    payload["num_images"] = 1
    if asked.size is not None:
        payload["image_size"] = dict(zip(("width", "height"), asked.size, strict=True))
    if image is not None:
        payload["image_url"] = encode_data_uri(image, "application/octet-stream")
    return payload


def _sized(spec: PictureSpec, endpoint: DrawingEndpoint, asked: PicturesInput) -> PictureSpec:
    if asked.size is None:
        return spec
    width, height = asked.size
    native_width, native_height = endpoint.variant_settings.native_size(width, height)
    return replace(spec, width=width, height=height, native_width=native_width, native_height=native_height)


def _steps(endpoint: DrawingEndpoint, quality: Quality) -> int:
    return min(max(1, round(endpoint.default_steps * _STEPS[quality])), endpoint.max_steps)
