"""OpenAI's client, unmodified, against a server on this machine."""

import base64
import io
from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest
from openai.types import ImagesResponse
from painting import PREVIEW_SIDE, Painter, preview_of, studio
from PIL import Image

from app.errors import GenerationFailedError, OverloadedError, StartTimeoutError

SCHNELL = "fal-ai/flux/schnell"
EDITOR = "fal-ai/flux/dev/image-to-image"
SMALL = "96x64"
ERRORS = {
    "busy": OverloadedError("1000 jobs are waiting", 7.2),
    "late": StartTimeoutError("Request timed out"),
    "broken": GenerationFailedError("the picture could not be made"),
}


@pytest.fixture(scope="module")
def client() -> Iterator[openai.OpenAI]:
    """The client, told where the server is by its one setting, and not to try twice."""
    with studio(Painter(errors=dict(ERRORS))) as place:
        client = openai.OpenAI(base_url=f"{place.url}/v1", api_key="any", max_retries=0)
        yield client
        client.close()


def opened(text: str) -> Image.Image:
    """The picture that was sent as this text."""
    return Image.open(io.BytesIO(base64.b64decode(text)))


def encoded(answer: ImagesResponse) -> list[str]:
    """The pictures inside an answer, as they were sent."""
    return [image.b64_json or "" for image in answer.data or []]


def steps_of(answer: ImagesResponse) -> int:
    """How many steps the first picture took, by its receipt."""
    receipts: Any = (answer.model_extra or {})["receipts"]
    return int(receipts[0]["steps"])


def png(size: tuple[int, int] = (80, 64)) -> bytes:
    """A picture as a user has one."""
    buffer = io.BytesIO()
    Image.new("RGB", size, "teal").save(buffer, "PNG")
    return buffer.getvalue()


def test_generate(client: openai.OpenAI) -> None:
    """A generation is a PNG inside the answer, in the size asked for; without a model the first one draws."""
    answer = client.images.generate(prompt="a dot", size=SMALL)
    (picture,) = map(opened, encoded(answer))

    assert (picture.size, picture.format) == ((96, 64), "PNG")
    assert (answer.size, answer.output_format, answer.quality, answer.background) == (SMALL, "png", "medium", "opaque")


def test_generate_many(client: openai.OpenAI) -> None:
    """Up to ten pictures come at once, each from another seed, and a seed makes them come again."""
    asked: dict[str, Any] = {"model": SCHNELL, "prompt": "a", "size": SMALL, "n": 10, "extra_body": {"seed": 7}}
    first, again = client.images.generate(**asked), client.images.generate(**asked)

    assert len(set(encoded(first))) == 10
    assert encoded(first) == encoded(again)


def test_usage_counts_what_was_drawn(client: openai.OpenAI) -> None:
    """Tokens are those of the pictures that the model drew; what was remembered costs none."""
    asked: dict[str, Any] = {"model": SCHNELL, "prompt": "usage", "size": SMALL, "n": 2, "extra_body": {"seed": 3}}
    first, again = client.images.generate(**asked), client.images.generate(**asked)

    assert first.usage is not None
    assert again.usage is not None
    # Two pictures of 64 x 48 pixels, at 256 pixels a token.
    assert (first.usage.input_tokens, first.usage.output_tokens, first.usage.total_tokens) == (0, 24, 24)
    assert again.usage.total_tokens == 0


def test_picture_by_url(client: openai.OpenAI) -> None:
    """Asked for by URL, a picture can be fetched by anyone."""
    answer = client.images.generate(model=SCHNELL, prompt="a", size=SMALL, response_format="url")

    (image,) = answer.data or []
    assert image.b64_json is None
    assert Image.open(io.BytesIO(httpx.get(image.url or "").content)).size == (96, 64)


@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_format(client: openai.OpenAI, output_format: Any) -> None:
    """The file has the format asked for."""
    answer = client.images.generate(prompt="a", size=SMALL, output_format=output_format)

    assert opened(encoded(answer)[0]).format == output_format.upper()


def test_compression(client: openai.OpenAI) -> None:
    """Less of the picture is kept where that is asked for."""

    def length(compression: int) -> int:
        answer = client.images.generate(
            prompt="a", output_format="jpeg", output_compression=compression, extra_body={"seed": 1}
        )
        return len(encoded(answer)[0])

    assert length(0) < length(100)


@pytest.mark.parametrize(("quality", "steps"), [("auto", 4), ("low", 2), ("high", 6), ("hd", 6), ("max", 12)])
def test_quality_is_a_number_of_steps(client: openai.OpenAI, quality: Any, steps: int) -> None:
    """Quality takes more or fewer steps than the model's usual ones."""
    answer = client.images.generate(model=SCHNELL, prompt="a", size=SMALL, quality=quality)

    assert steps_of(answer) == steps


def test_fields_of_the_endpoint(client: openai.OpenAI) -> None:
    """What OpenAI has no word for is said in the endpoint's own."""
    answer = client.images.generate(prompt="a", size=SMALL, quality="max", extra_body={"num_inference_steps": 3})

    assert steps_of(answer) == 3


def test_stream(client: openai.OpenAI) -> None:
    """A stream shows the picture on its way as often as asked, evenly, and ends with it."""
    stream = client.images.generate(
        model=SCHNELL, prompt="stream", size=SMALL, stream=True, partial_images=2, extra_body={"seed": 5}
    )
    first, second, last = stream

    assert [event.type for event in (first, second)] == ["image_generation.partial_image"] * 2
    assert [event.partial_image_index for event in (first, second)] == [0, 1]
    assert base64.b64decode(first.b64_json) == preview_of(5)
    assert (first.output_format, first.size) == ("jpeg", f"{PREVIEW_SIDE}x{PREVIEW_SIDE}")
    assert (last.type, opened(last.b64_json).size) == ("image_generation.completed", (96, 64))
    assert last.usage.output_tokens == 12


@pytest.mark.parametrize("partial_images", [0, 3])
def test_stream_of_few_steps(client: openai.OpenAI, partial_images: int) -> None:
    """There are at most as many partial images as steps before the last, and none where none were asked for."""
    stream = client.images.generate(
        prompt="stream", size=SMALL, stream=True, partial_images=partial_images, extra_body={"num_inference_steps": 3}
    )
    *partial, last = stream

    assert len(partial) == min(partial_images, 2)
    assert last.type == "image_generation.completed"


def test_stream_of_many_pictures(client: openai.OpenAI) -> None:
    """Each picture of a stream is an event of its own; the first one is shown on its way."""
    events = list(client.images.generate(prompt="many", n=3, size=SMALL, stream=True, partial_images=1))

    assert [event.type.rpartition(".")[2] for event in events] == ["partial_image"] + ["completed"] * 3


def edited(client: openai.OpenAI, image: Any, **more: Any) -> ImagesResponse:
    """The answer to an edit."""
    return client.images.edit(image=image, prompt="a dot", **more)


@pytest.mark.parametrize("image", [png(), ("cat.png", png(), "image/png"), [("cat.png", png())]])
def test_edit(client: openai.OpenAI, image: Any) -> None:
    """An edit has the size of its picture, however the file was handed over; it counts as input."""
    answer = edited(client, image, model=EDITOR, n=2)

    assert [opened(picture).size for picture in encoded(answer)] == [(80, 64)] * 2
    assert answer.usage.input_tokens == answer.usage.output_tokens > 0


def test_edit_to_a_size(client: openai.OpenAI) -> None:
    """An edit can have another size than its picture."""
    assert opened(encoded(edited(client, png(), size="128x64"))[0]).size == (128, 64)


@pytest.mark.parametrize("model", ["fal-ai/flux/dev", SCHNELL])
def test_edit_by_the_name_of_a_model_that_generates(client: openai.OpenAI, model: str) -> None:
    """The name of a model that draws from words stands for its sibling that draws from pictures."""
    assert opened(encoded(edited(client, png(), model=model))[0]).size == (80, 64)


def test_edit_stream(client: openai.OpenAI) -> None:
    """Edits stream like generations, under names of their own."""
    events = list(client.images.edit(image=png(), prompt="a", stream=True, partial_images=1))

    assert [event.type for event in events] == ["image_edit.partial_image", "image_edit.completed"]


def test_edit_fields_of_the_endpoint(client: openai.OpenAI) -> None:
    """Also in a form the endpoint's own words are understood."""
    answer = edited(client, png(), extra_body={"num_inference_steps": 5, "seed": 11})

    assert (steps_of(answer), (answer.model_extra or {})["seed"]) == (5, 11)


def test_models(client: openai.OpenAI) -> None:
    """Every endpoint that draws is a model, and can be asked for by its name."""
    models = {model.id for model in client.models.list()}

    assert SCHNELL in models
    assert "fal-ai/esrgan" not in models
    assert client.models.retrieve(SCHNELL).id == SCHNELL


BAD_INPUTS = [
    ({"prompt": "a", "n": 11}, "n", "less_than_equal"),
    ({"prompt": "a", "size": "large"}, "size", "value_error"),
    ({"prompt": "a", "size": "64x9999"}, "size", "value_error"),
    ({"prompt": "x" * 10_001}, "prompt", "string_too_long"),
    ({"prompt": "a", "background": "transparent"}, "background", "feature_not_supported"),
    ({"prompt": "a", "output_format": "gif"}, "output_format", "enum"),
    ({"prompt": "a", "output_format": "png", "output_compression": 50}, "output_compression", "feature_not_supported"),
    ({"prompt": "a", "quality": "best"}, "quality", "literal_error"),
    ({"prompt": "a", "extra_body": {"seed": -1}}, "seed", "greater_than_equal"),
    ({"prompt": "a", "model": EDITOR}, "model", "feature_not_supported"),
    ({"prompt": "a", "stream": True, "partial_images": 4}, "partial_images", "less_than_equal"),
]


@pytest.mark.parametrize(("asked", "param", "code"), BAD_INPUTS)
def test_bad_input(client: openai.OpenAI, asked: dict[str, Any], param: str, code: str) -> None:
    """What is wrong with a field raises BadRequestError that names the field in OpenAI's words."""
    with pytest.raises(openai.BadRequestError) as refused:
        client.images.generate(**asked)

    assert (refused.value.param, refused.value.code, refused.value.type) == (param, code, "invalid_request_error")
    assert refused.value.request_id


@pytest.mark.parametrize(
    ("asked", "param", "code"),
    [
        ({"mask": png()}, "mask", "feature_not_supported"),
        ({"image": [png(), png()]}, "image", "too_long"),
        ({"image": []}, "image", "missing"),
        ({"image": b"no picture"}, "image", "image_load_error"),
        ({"model": "fal-ai/fast-sdxl"}, None, "model_not_found"),
    ],
    ids=["mask", "two pictures", "no picture", "broken picture", "unknown model"],
)
def test_bad_edit(client: openai.OpenAI, asked: dict[str, Any], param: str | None, code: str) -> None:
    """What no model here can do is refused, never left out in silence."""
    with pytest.raises(openai.APIStatusError) as refused:
        client.images.edit(**({"image": png(), "prompt": "a"} | asked))

    assert (refused.value.param, refused.value.code) == (param, code)


def test_unknown_model(client: openai.OpenAI) -> None:
    """A model that does not exist raises NotFoundError, wherever it is named."""
    with pytest.raises(openai.NotFoundError) as generated:
        client.images.generate(model="gpt-image-2", prompt="a")
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("gpt-image-2")

    assert generated.value.code == "model_not_found"
    assert "'gpt-image-2' does not exist" in generated.value.message


def test_overload(client: openai.OpenAI) -> None:
    """A full queue raises RateLimitError with the time to come back, in whole seconds."""
    with pytest.raises(openai.RateLimitError) as refused:
        client.images.generate(prompt="busy")

    assert refused.value.code == "rate_limit_exceeded"
    assert refused.value.response.headers["retry-after"] == "8"


def test_no_start_in_time(client: openai.OpenAI) -> None:
    """A request that found no start in time is not to be tried again by itself."""
    with pytest.raises(openai.InternalServerError) as failed:
        client.images.generate(prompt="late")

    assert (failed.value.status_code, failed.value.response.headers["x-should-retry"]) == (504, "false")


def test_failure(client: openai.OpenAI) -> None:
    """A picture that could not be made raises InternalServerError, in a stream too, after its partial images."""
    with pytest.raises(openai.InternalServerError):
        client.images.generate(prompt="broken")
    events = iter(client.images.generate(prompt="broken", stream=True, partial_images=1))

    assert next(events).type == "image_generation.partial_image"
    with pytest.raises(openai.APIError, match="could not be made"):
        next(events)


def test_no_such_path(client: openai.OpenAI) -> None:
    """What is not offered is answered in OpenAI's envelope."""
    with pytest.raises(openai.NotFoundError) as refused:
        client.post("/images/variations", body={}, cast_to=object)

    assert "/v1/images/variations" in refused.value.message
