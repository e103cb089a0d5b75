"""fal's input schemas: defaults, presets, and what is refused with which error."""

from typing import Any

import pytest

from app.api.fal.redrawing import ClarityInput, CreativeInput
from app.api.fal.schemas import (
    AuraSrInput,
    EsrganInput,
    FastSdxlInput,
    FluxLoraImageToImageInput,
    FluxLoraInput,
    FluxSchnellInput,
    ImageToImageInput,
    ModelInput,
    TextToImageInput,
    validated,
)
from app.errors import InvalidInputError

PROMPT = {"prompt": "a dot"}
IMAGE = {"image_url": "http://a/b.png"}
EDIT = PROMPT | IMAGE

COMMON: dict[str, Any] = {
    "seed": None,
    "sync_mode": False,
    "cache": "similar",
    "num_images": 1,
    "enable_safety_checker": True,
    "output_format": "jpeg",
    "output_quality": None,
    "acceleration": "none",
    "guidance_scale": 3.5,
    "loras": [],
}
DEFAULTS = [
    pytest.param(
        FluxSchnellInput, PROMPT, COMMON | {"num_inference_steps": 4, "image_size": "landscape_4_3"}, id="flux/schnell"
    ),
    pytest.param(
        TextToImageInput, PROMPT, COMMON | {"num_inference_steps": 28, "image_size": "landscape_4_3"}, id="flux/dev"
    ),
    pytest.param(
        ImageToImageInput, EDIT, COMMON | {"num_inference_steps": 40, "strength": 0.95}, id="flux/dev/image-to-image"
    ),
    pytest.param(
        FluxLoraInput, PROMPT, COMMON | {"num_inference_steps": 28, "image_size": "landscape_4_3"}, id="flux-lora"
    ),
    pytest.param(
        FastSdxlInput,
        PROMPT,
        {name: value for name, value in COMMON.items() if name != "output_format"}
        | {"format": "jpeg", "num_inference_steps": 25, "guidance_scale": 7.5, "image_size": "square_hd"}
        | {"negative_prompt": ""},
        id="fast-sdxl",
    ),
    pytest.param(
        FluxLoraImageToImageInput,
        EDIT,
        COMMON | {"num_inference_steps": 28, "strength": 0.85},
        id="flux-lora/image-to-image",
    ),
    pytest.param(
        ClarityInput,
        IMAGE,
        COMMON
        | {"prompt": "masterpiece, best quality, highres", "upscale_factor": 2, "creativity": 0.35, "resemblance": 0.6}
        | {"negative_prompt": "(worst quality, low quality, normal quality:2)", "num_inference_steps": 18}
        | {"guidance_scale": 4, "output_format": "png"},
        id="clarity-upscaler",
    ),
    pytest.param(
        CreativeInput,
        IMAGE,
        COMMON
        | {"prompt": "", "negative_prompt": "", "scale": 2, "creativity": 0.5, "detail": 1, "shape_preservation": 0.25}
        | {"guidance_scale": 7.5, "num_inference_steps": 20, "model_type": "SD_1_5", "output_format": "png"},
        id="creative-upscaler",
    ),
    pytest.param(
        EsrganInput,
        IMAGE,
        {
            "sync_mode": False,
            "cache": "similar",
            "scale": 2,
            "tile": 0,
            "face": False,
            "model": "RealESRGAN_x4plus",
            "output_format": "png",
            "output_quality": None,
        },
        id="esrgan",
    ),
    pytest.param(
        AuraSrInput,
        IMAGE,
        {"sync_mode": False, "cache": "similar", "upscale_factor": 4, "overlapping_tiles": False, "checkpoint": "v1"},
        id="aura-sr",
    ),
]


@pytest.mark.parametrize(("schema", "payload", "defaults"), DEFAULTS)
def test_defaults(schema: type[ModelInput], payload: dict[str, Any], defaults: dict[str, Any]) -> None:
    """What the caller leaves out has fal's documented value."""
    assert validated(schema, payload).model_dump(mode="json", by_alias=True) == payload | defaults


@pytest.mark.parametrize(
    ("preset", "pixels"),
    [
        ("square_hd", (1024, 1024)),
        ("square", (512, 512)),
        ("portrait_4_3", (768, 1024)),
        ("portrait_16_9", (576, 1024)),
        ("landscape_4_3", (1024, 768)),
        ("landscape_16_9", (1024, 576)),
        ({}, (512, 512)),
        ({"width": 640}, (640, 512)),
        ({"width": 64, "height": 2048}, (64, 2048)),
        ({"width": "256", "height": 320.0}, (256, 320)),
    ],
)
def test_image_size(preset: object, pixels: tuple[int, int]) -> None:
    """A size is a preset's name or two numbers, each 512 when it is missing."""
    assert validated(TextToImageInput, PROMPT | {"image_size": preset}).image_size.pixels == pixels


def lora(path: str = "ink.safetensors", scale: object = 1) -> dict[str, Any]:
    """An input with one LoRA."""
    return PROMPT | {"loras": [{"path": path, "scale": scale}]}


REFUSALS = [
    (FluxSchnellInput, {}, ("prompt",), "missing", {}),
    (FluxSchnellInput, {"prompt": None}, ("prompt",), "string_type", {}),
    (FluxSchnellInput, {"prompt": "x" * 10_001}, ("prompt",), "string_too_long", {"max_length": 10_000}),
    (FluxSchnellInput, PROMPT | {"num_inference_steps": 13}, ("num_inference_steps",), "less_than_equal", {"le": 12}),
    (FluxSchnellInput, PROMPT | {"num_inference_steps": 0}, ("num_inference_steps",), "greater_than_equal", {"ge": 1}),
    (TextToImageInput, PROMPT | {"num_inference_steps": 51}, ("num_inference_steps",), "less_than_equal", {"le": 50}),
    (TextToImageInput, PROMPT | {"num_inference_steps": 2.5}, ("num_inference_steps",), "int_from_float", {}),
    (TextToImageInput, PROMPT | {"num_images": 5}, ("num_images",), "less_than_equal", {"le": 4}),
    (TextToImageInput, PROMPT | {"num_images": 0}, ("num_images",), "greater_than_equal", {"ge": 1}),
    (TextToImageInput, PROMPT | {"guidance_scale": 0.5}, ("guidance_scale",), "greater_than_equal", {"ge": 1.0}),
    (TextToImageInput, PROMPT | {"guidance_scale": 21}, ("guidance_scale",), "less_than_equal", {"le": 20.0}),
    (TextToImageInput, PROMPT | {"guidance_scale": "nan"}, ("guidance_scale",), "finite_number", {}),
    (TextToImageInput, PROMPT | {"seed": -1}, ("seed",), "greater_than_equal", {"ge": 0}),
    (TextToImageInput, PROMPT | {"seed": 2**53}, ("seed",), "less_than_equal", {"le": 2**53 - 1}),
    (TextToImageInput, PROMPT | {"seed": "one"}, ("seed",), "int_parsing", {}),
    (
        TextToImageInput,
        PROMPT | {"output_format": "tiff"},
        ("output_format",),
        "enum",
        {"expected": "'png', 'jpeg', 'webp' or 'avif'"},
    ),
    (TextToImageInput, PROMPT | {"output_quality": 0}, ("output_quality",), "greater_than_equal", {"ge": 1}),
    (TextToImageInput, PROMPT | {"output_quality": 101}, ("output_quality",), "less_than_equal", {"le": 100}),
    (
        TextToImageInput,
        PROMPT | {"image_size": {"width": 63}},
        ("image_size", "width"),
        "greater_than_equal",
        {"ge": 64},
    ),
    (
        TextToImageInput,
        PROMPT | {"image_size": {"height": 2049}},
        ("image_size", "height"),
        "less_than_equal",
        {"le": 2048},
    ),
    (TextToImageInput, PROMPT | {"image_size": 512}, ("image_size",), "model_type", {"class_name": "ImageSize"}),
    (ImageToImageInput, PROMPT, ("image_url",), "missing", {}),
    (ImageToImageInput, EDIT | {"strength": 0}, ("strength",), "greater_than_equal", {"ge": 0.01}),
    (ImageToImageInput, EDIT | {"strength": 1.1}, ("strength",), "less_than_equal", {"le": 1.0}),
    (FluxLoraInput, PROMPT | {"guidance_scale": 36}, ("guidance_scale",), "less_than_equal", {"le": 35.0}),
    (FluxLoraInput, PROMPT | {"loras": "ink.safetensors"}, ("loras",), "list_type", {}),
    (FluxLoraInput, PROMPT | {"loras": [{}]}, ("loras", 0, "path"), "missing", {}),
    (FluxLoraInput, lora(scale=-0.1), ("loras", 0, "scale"), "greater_than_equal", {"ge": 0.0}),
    (FluxLoraInput, lora(scale=4.1), ("loras", 0, "scale"), "less_than_equal", {"le": 4.0}),
    (FluxLoraInput, lora(scale="nan"), ("loras", 0, "scale"), "finite_number", {}),
    (EsrganInput, {}, ("image_url",), "missing", {}),
    (EsrganInput, IMAGE | {"scale": 0.5}, ("scale",), "greater_than_equal", {"ge": 1.0}),
    (EsrganInput, IMAGE | {"scale": 9}, ("scale",), "less_than_equal", {"le": 8.0}),
    (EsrganInput, IMAGE | {"face": True}, ("face",), "feature_not_supported", {}),
    (EsrganInput, IMAGE | {"model": "waifu"}, ("model",), "literal_error", None),
    (AuraSrInput, IMAGE | {"upscale_factor": 2}, ("upscale_factor",), "literal_error", {"expected": "4"}),
]


@pytest.mark.parametrize(
    ("schema", "payload", "field", "issue_type", "context"),
    REFUSALS,
    ids=[f"{schema.__name__} {'.'.join(map(str, field))} {issue_type}" for schema, _, field, issue_type, _ in REFUSALS],
)
def test_refusal(
    schema: type[ModelInput],
    payload: dict[str, Any],
    field: tuple[str | int, ...],
    issue_type: str,
    context: dict[str, Any] | None,
) -> None:
    """A wrong field is named with fal's type of error and the bound it broke."""
    with pytest.raises(InvalidInputError) as refused:
        validated(schema, payload)

    (issue,) = refused.value.issues
    assert (issue.loc, issue.issue_type) == (("body", *field), issue_type)
    assert context is None or issue.context == context


def test_unknown_preset_names_the_known_ones() -> None:
    """A misspelt preset is answered with the list of presets."""
    with pytest.raises(InvalidInputError) as refused:
        validated(TextToImageInput, PROMPT | {"image_size": "huge"})

    (issue,) = refused.value.issues
    assert (issue.loc, issue.issue_type) == (("body", "image_size"), "enum")
    assert "landscape_16_9" in issue.message


def test_all_wrong_fields_are_named_at_once() -> None:
    """A caller learns everything that is wrong from one answer."""
    with pytest.raises(InvalidInputError) as refused:
        validated(TextToImageInput, {"num_images": 9, "seed": "x"})

    assert [issue.loc[-1] for issue in refused.value.issues] == ["prompt", "seed", "num_images"]


def test_unknown_fields_are_ignored() -> None:
    """Fields that an endpoint does not have do no harm."""
    assert validated(TextToImageInput, PROMPT | {"controlnets": [1], "expand_prompt": True}).prompt == "a dot"


def test_loras_have_a_documented_scale() -> None:
    """A LoRA acts once as strongly as it was made, unless the caller says otherwise; the order is kept."""
    loras = [{"path": "styles/ink.safetensors"}, {"path": "a b.safetensors", "scale": 0, "force": True}]
    found = validated(FluxLoraInput, PROMPT | {"loras": loras}).loras

    assert [(each.path, each.scale) for each in found] == [("styles/ink.safetensors", 1), ("a b.safetensors", 0)]


@pytest.mark.parametrize(
    "path",
    [
        "", "/etc/passwd.safetensors", "../ink.safetensors", "a/../ink.safetensors", "./ink.safetensors",
        "a//ink.safetensors", "a\\ink.safetensors", "C:ink.safetensors", "https://a/ink.safetensors", "a\n.safetensors",
        "a\0.safetensors", "ink.pt", "someone/style", "~/ink.safetensors/", "x" * 300 + ".safetensors",
    ],
)  # fmt: skip
def test_loras_are_named_by_a_plain_path(path: str) -> None:
    """Nothing but a relative path of a safetensors file is accepted: no URL, no way out of the folder."""
    with pytest.raises(InvalidInputError) as refused:
        validated(FluxLoraInput, lora(path))

    (issue,) = refused.value.issues
    assert (issue.loc, issue.issue_type) == (("body", "loras", 0, "path"), "value_error")
    assert "LoRA" in issue.message
