"""From fal's input to the internal request."""

from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from app.api.fal.endpoints import EndpointTable
from app.api.fal.sizes import MAX_SIDE, MIN_SIDE, fitted
from app.api.fal.sources import Source
from app.api.fal.translate import Call, Translator
from app.cache_levels import CacheLimit
from app.config import DarkroomSettings
from app.errors import InvalidInputError, NotFoundError
from app.generation import GenerationRequest, ImageFormat, Task, Tier

CALL = Call(request_id="r1", tier=Tier.BATCH, base_url="http://darkroom", start_timeout_s=2.0, previews=True)
SETTINGS = DarkroomSettings.model_validate(
    {
        "variants": {
            "sketch": {"source": "builtin:sketch", "native_sizes": [[64, 64], [64, 48]], "max_steps": 20},
            "full": {"source": "flux", "default_steps": 6},
            "styled": {"source": "flux", "lora_folder": "/absent", "max_loras": 2},
        },
        "endpoints": {
            "fal-ai/flux/schnell": {"task": "text_to_image", "variant": "full"},
            "fal-ai/flux/dev": {"task": "text_to_image", "variant": "sketch"},
            "fal-ai/flux/dev/image-to-image": {"task": "image_to_image", "variant": "full"},
            "fal-ai/fast-sdxl": {"task": "text_to_image", "variant": "full"},
            "acme/draw": {"task": "text_to_image", "variant": "full"},
            "acme/draw/fast": {"task": "text_to_image", "variant": "full", "default_steps": 2},
            "fal-ai/flux-lora": {"task": "text_to_image", "variant": "styled"},
            "fal-ai/flux-lora/image-to-image": {"task": "image_to_image", "variant": "styled"},
            "fal-ai/clarity-upscaler": {"task": "image_to_image", "variant": "full"},
            "fal-ai/creative-upscaler": {"task": "image_to_image", "variant": "sketch"},
            "fal-ai/esrgan": {"task": "upscale"},
            "fal-ai/aura-sr": {"task": "upscale"},
            "acme/enlarge": {"task": "upscale"},
        },
    }
)


class FixedSource:
    """Every URL is a stored picture of one size."""

    def __init__(self, width: int, height: int) -> None:
        self._source = Source("source.png", width, height)

    async def load(self, url: str, *, own_base: str, salt: str = "") -> Source:
        """The picture."""
        return self._source


async def translated(
    endpoint_id: str, payload: dict[str, Any], *, source: tuple[int, int] = (640, 480)
) -> GenerationRequest:
    """The internal request for an input to one of the endpoints above."""
    translator = Translator(sources=FixedSource(*source), draw_seed=lambda: 7)
    return await translator.request(EndpointTable(SETTINGS).find(endpoint_id), payload, CALL)


async def test_everything_said_reaches_the_request() -> None:
    """Input, endpoint and call together make one request."""
    payload = {
        "prompt": "a dot",
        "image_size": "landscape_4_3",
        "num_inference_steps": 9,
        "seed": 3,
        "guidance_scale": 2,
        "num_images": 2,
        "output_format": "png",
        "sync_mode": True,
    }
    request = await translated("fal-ai/flux/dev", payload)

    assert (request.request_id, request.endpoint, request.tier) == ("r1", "fal-ai/flux/dev", Tier.BATCH)
    assert (request.start_timeout_s, request.previews, request.inline) == (2.0, True, True)
    assert (request.num_images, request.spec.seed, request.spec.steps) == (2, 3, 9)
    assert (request.spec.width, request.spec.height) == (1024, 768)
    assert (request.spec.variant, request.spec.guidance_scale) == ("sketch", 2.0)
    assert request.spec.image_format is ImageFormat.PNG


@pytest.mark.parametrize(
    ("endpoint_id", "steps"),
    [
        pytest.param("fal-ai/flux/schnell", 4, id="fal's documented default"),
        pytest.param("fal-ai/flux/dev", 20, id="the documented default, as far as the variant goes"),
        pytest.param("fal-ai/flux-lora", 28, id="the documented default of the LoRA endpoint"),
        pytest.param("acme/draw", 6, id="an endpoint fal does not know: the variant's default"),
        pytest.param("acme/draw/fast", 2, id="the configured default comes first"),
    ],
)
async def test_default_steps(endpoint_id: str, steps: int) -> None:
    """Where the caller names no steps, the most specific default decides."""
    assert (await translated(endpoint_id, {"prompt": "a dot"})).spec.steps == steps


async def test_more_steps_than_the_variant_allows_are_refused() -> None:
    """Within fal's range but beyond the variant's, the answer names the variant's limit."""
    with pytest.raises(InvalidInputError) as refused:
        await translated("fal-ai/flux/dev", {"prompt": "a dot", "num_inference_steps": 21})

    (issue,) = refused.value.issues
    assert (issue.loc, issue.issue_type) == (("body", "num_inference_steps"), "less_than_equal")
    assert issue.context == {"le": 20}


@pytest.mark.parametrize(
    ("endpoint_id", "native"), [("fal-ai/flux/dev", (64, 48)), ("fal-ai/flux/schnell", (1024, 768))]
)
async def test_variant_chooses_its_native_size(endpoint_id: str, native: tuple[int, int]) -> None:
    """The model draws the nearest aspect that it knows, or the very size."""
    spec = (await translated(endpoint_id, {"prompt": "a dot"})).spec

    assert (spec.native_width, spec.native_height) == native


async def test_what_a_picture_shall_not_show_reaches_the_request() -> None:
    """The SDXL endpoint has a negative prompt, and calls its encoding `format`; the FLUX endpoints have neither."""
    payload = {"prompt": "a tree", "negative_prompt": "leaves", "format": "png"}
    drawn, plain = await translated("fal-ai/fast-sdxl", payload), await translated("fal-ai/flux/dev", payload)
    assert (drawn.spec.negative_prompt, drawn.spec.image_format) == ("leaves", ImageFormat.PNG)
    assert (plain.spec.negative_prompt, plain.spec.image_format) == ("", ImageFormat.JPEG)


@pytest.mark.parametrize(
    ("endpoint_id", "payload", "image_format", "quality"),
    [
        ("fal-ai/flux/dev", {"output_format": "webp", "output_quality": 60}, ImageFormat.WEBP, 60),
        ("fal-ai/flux/dev", {"output_format": "avif"}, ImageFormat.AVIF, None),
        ("fal-ai/flux/dev", {"output_format": "png", "output_quality": 60}, ImageFormat.PNG, None),
        ("fal-ai/esrgan", {"image_url": "http://a/b.png", "output_format": "jpeg", "output_quality": 5},
         ImageFormat.JPEG, 5),
    ],
)  # fmt: skip
async def test_encoding(
    endpoint_id: str, payload: dict[str, Any], image_format: ImageFormat, quality: int | None
) -> None:
    """Format and quality reach the request; a quality that changes no byte is no part of it."""
    spec = (await translated(endpoint_id, {"prompt": "a dot"} | payload)).spec

    assert (spec.image_format, spec.quality) == (image_format, quality)


async def test_missing_seed_is_drawn() -> None:
    """Randomness is used once, where the caller left the seed open; the request says that it did."""
    request = await translated("acme/draw", {"prompt": "a dot"})

    assert (request.spec.seed, request.seed_is_free) == (7, True)
    assert not (await translated("acme/draw", {"prompt": "a dot", "seed": 7})).seed_is_free


@pytest.mark.parametrize("endpoint_id", ["acme/draw", "fal-ai/flux/dev/image-to-image", "acme/enlarge"])
async def test_a_caller_may_want_less_from_the_cache(endpoint_id: str) -> None:
    """Every endpoint takes the most that the cache may answer; unsaid, it is whatever the server allows."""
    payload = {"prompt": "a dot", "image_url": "http://a/b.png"}

    assert (await translated(endpoint_id, payload)).cache is CacheLimit.SIMILAR
    assert (await translated(endpoint_id, payload | {"cache": "exact"})).cache is CacheLimit.EXACT
    assert (await translated(endpoint_id, payload | {"cache": "off"})).cache is CacheLimit.OFF
    assert (await translated("acme/draw", {"prompt": "a dot", "seed": 0})).spec.seed == 0


async def test_image_to_image_keeps_source_and_strength() -> None:
    """The stored input and the strength shape the picture; its size is the input's within the limits."""
    payload = {"prompt": "a dot", "image_url": "http://a/b.png", "strength": 0.5}
    spec = (await translated("fal-ai/flux/dev/image-to-image", payload, source=(4096, 2048))).spec

    assert (spec.task, spec.source_key, spec.strength) == (Task.IMAGE_TO_IMAGE, "source.png", 0.5)
    assert (spec.width, spec.height) == (2048, 1024)


@pytest.mark.parametrize(
    ("endpoint_id", "payload", "size", "image_format"),
    [
        ("fal-ai/esrgan", {}, (1280, 960), ImageFormat.PNG),
        ("fal-ai/esrgan", {"scale": 1.5, "output_format": "jpeg"}, (960, 720), ImageFormat.JPEG),
        ("fal-ai/aura-sr", {}, (2560, 1920), ImageFormat.PNG),
        ("acme/enlarge", {"scale": 3}, (1920, 1440), ImageFormat.PNG),
    ],
)
async def test_upscaled_size(
    endpoint_id: str, payload: dict[str, Any], size: tuple[int, int], image_format: ImageFormat
) -> None:
    """An upscaler delivers its factor times the input."""
    spec = (await translated(endpoint_id, {"image_url": "http://a/b.png"} | payload)).spec

    assert (spec.task, spec.steps, spec.source_key) == (Task.UPSCALE, 0, "source.png")
    assert (spec.width, spec.height) == size
    assert (spec.native_width, spec.native_height) == (640, 480)
    assert spec.image_format is image_format


async def test_largest_picture_that_can_be_upscaled() -> None:
    """A result of exactly 4096 pixels a side is fine."""
    spec = (await translated("fal-ai/aura-sr", {"image_url": "http://a/b.png"}, source=(1024, 10))).spec

    assert (spec.width, spec.height) == (4096, 40)


async def test_picture_too_large_to_upscale_is_refused() -> None:
    """A result of more than 4096 pixels a side is refused with the largest input that would do."""
    with pytest.raises(InvalidInputError) as refused:
        await translated("fal-ai/aura-sr", {"image_url": "http://a/b.png"}, source=(1025, 10))

    (issue,) = refused.value.issues
    assert (issue.loc, issue.issue_type) == (("body", "image_url"), "image_too_large")
    assert issue.context == {"max_width": 1024, "max_height": 1024}


@pytest.mark.parametrize("endpoint_id", ["", "fal-ai/flux", "fal-ai/flux/schnell/x", "FAL-AI/flux/dev"])
def test_unknown_endpoint(endpoint_id: str) -> None:
    """Only configured ids are found."""
    with pytest.raises(NotFoundError, match="not found"):
        EndpointTable(SETTINGS).find(endpoint_id)


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_fitted_sizes_are_within_the_limits(width: int, height: int) -> None:
    """Whatever the input's size, the answer's sides are allowed."""
    assert all(MIN_SIDE <= side <= MAX_SIDE for side in fitted(width, height))


@given(st.integers(MIN_SIDE, MAX_SIDE), st.integers(MIN_SIDE, MAX_SIDE))
def test_allowed_sizes_are_kept(width: int, height: int) -> None:
    """A size within the limits is left alone."""
    assert fitted(width, height) == (width, height)


@given(st.integers(1, 10_000), st.integers(1, 10_000))
def test_fitted_sizes_keep_their_aspect(width: int, height: int) -> None:
    """The aspect is kept to within a pixel where the limits leave room for it."""
    assume(max(width, height) * MIN_SIDE <= min(width, height) * MAX_SIDE)
    fitted_width, fitted_height = fitted(width, height)

    assert abs(fitted_width * height - fitted_height * width) <= max(width, height)


async def test_an_upscaler_that_draws_begins_with_the_picture_enlarged() -> None:
    """clarity-upscaler: creativity says how far from the picture, the factor how much larger."""
    request = await translated(
        "fal-ai/clarity-upscaler", {"image_url": "http://a/b.png", "creativity": 0.5, "upscale_factor": 1.5}
    )
    spec = request.spec
    assert (spec.task, spec.variant, spec.source_key) == (Task.IMAGE_TO_IMAGE, "full", "source.png")
    assert (spec.width, spec.height, spec.strength, spec.steps) == (960, 720, 0.5, 18)
    assert (spec.prompt, spec.image_format) == ("masterpiece, best quality, highres", ImageFormat.PNG)
    assert spec.negative_prompt.startswith("(worst quality")


async def test_an_upscaler_that_draws_draws_at_the_sizes_of_its_variant() -> None:
    """creative-upscaler on a variant of small native sizes: the finishing stage does the rest."""
    spec = (await translated("fal-ai/creative-upscaler", {"image_url": "http://a/b.png"})).spec
    assert (spec.width, spec.height) == (1280, 960)
    assert (spec.native_width, spec.native_height) == (64, 48)
    assert (spec.steps, spec.strength) == (20, 0.5)


@pytest.mark.parametrize("wrong", [{"num_images": 2}, {"upscale_factor": 4}, {"creativity": 1.5}])
async def test_an_upscaler_that_draws_refuses_what_it_cannot_do(wrong: dict[str, Any]) -> None:
    """Several pictures, one larger than any that is drawn, or more freedom than there is."""
    with pytest.raises(InvalidInputError):
        await translated("fal-ai/clarity-upscaler", {"image_url": "http://a/b.png"} | wrong)
