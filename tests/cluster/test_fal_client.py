"""The unmodified fal-client against a real server."""

import base64
import io
from collections.abc import Iterator

import fal_client
import fal_client.client
import pytest
from PIL import Image

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

SCHNELL = "fal-ai/flux/schnell"
DEV = "fal-ai/flux/dev"
SLOW = {"prompt": "a blue square", "num_inference_steps": 50, "num_images": 4, "image_size": "square"}


@pytest.fixture
def client(url: str) -> Iterator[fal_client.SyncClient]:
    """A client pointed at the server by its own module constants, which are put back."""
    module, kept = fal_client.client, {}
    for name, value in {
        "RUN_URL_FORMAT": f"{url}/run/",
        "QUEUE_URL_FORMAT": f"{url}/queue/",
    }.items():
        kept[name] = getattr(module, name)
        setattr(module, name, value)
    client = fal_client.SyncClient(key="key-id:key-secret")
    yield client
    client._client.close()
    for name, value in kept.items():
        setattr(module, name, value)


def test_run_answers_with_a_picture_of_the_size_that_was_asked(client: fal_client.SyncClient) -> None:
    """Every preset of fal gives exactly its width and height."""
    answer = client.run(SCHNELL, {"prompt": "a red circle", "image_size": "portrait_16_9", "sync_mode": True})

    data = base64.b64decode(answer["images"][0]["url"].partition(",")[2])
    assert Image.open(io.BytesIO(data)).size == (576, 1024)


def test_subscribe_reports_every_step(client: fal_client.SyncClient) -> None:
    """Logs of a queued request tell of each denoising step."""
    seen: list[fal_client.Status] = []

    client.subscribe(SCHNELL, {"prompt": "a red circle"}, with_logs=True, on_queue_update=seen.append)

    assert isinstance(seen[-1], fal_client.Completed)
    messages = [line["message"] for line in seen[-1].logs or ()]
    assert [message for message in messages if message.startswith("step")] == [f"step {n}/4" for n in range(1, 5)]


def test_a_running_request_can_be_cancelled(client: fal_client.SyncClient) -> None:
    """After a cancel the request completes with an error, long before it would have finished."""
    handle = client.submit(DEV, SLOW)
    next(status for status in handle.iter_events() if isinstance(status, fal_client.InProgress))
    handle.cancel()

    *_, last = handle.iter_events()
    assert isinstance(last, fal_client.Completed)
    assert last.error_type == "client_cancelled"


def test_normal_priority_is_served_before_low(client: fal_client.SyncClient) -> None:
    """Of two waiting requests the one with normal priority is ahead, although it came later."""
    busy = [client.submit(DEV, SLOW | {"seed": seed}) for seed in range(8)]
    low = client.submit(DEV, SLOW, priority="low")
    normal = client.submit(DEV, SLOW, priority="normal")
    before, ahead, after = (_position(handle) for handle in (low, normal, low))
    while before != after:
        before, ahead, after = after, _position(normal), _position(low)
    for handle in (low, normal, *busy):
        handle.cancel()

    assert ahead < after


def _position(handle: fal_client.SyncRequestHandle) -> int:
    """The place of a request that waits; those before it may start while one looks."""
    status = handle.status()
    assert isinstance(status, fal_client.Queued)
    return status.position


def test_image_to_image_follows_its_picture(client: fal_client.SyncClient) -> None:
    """The delivered size is that of the picture that was sent."""
    picture = fal_client.encode_image(Image.new("RGB", (320, 240), "white"))

    answer = client.run("fal-ai/flux/dev/image-to-image", {"prompt": "a red circle", "image_url": picture})

    assert (answer["images"][0]["width"], answer["images"][0]["height"]) == (320, 240)


@pytest.mark.parametrize(("endpoint", "factor"), [("fal-ai/esrgan", 2), ("fal-ai/aura-sr", 4)])
def test_upscalers_multiply_the_size(client: fal_client.SyncClient, endpoint: str, factor: int) -> None:
    """The upscaling endpoints answer with their default factor."""
    picture = fal_client.encode_image(Image.new("RGB", (48, 32), "teal"))

    answer = client.run(endpoint, {"image_url": picture})

    assert (answer["image"]["width"], answer["image"]["height"]) == (48 * factor, 32 * factor)


def test_a_stream_ends_with_the_whole_answer(client: fal_client.SyncClient) -> None:
    """Progress comes first, the normal output last."""
    *progress, last = client.stream(SCHNELL, {"prompt": "a red circle"})

    assert progress
    assert last["images"]
