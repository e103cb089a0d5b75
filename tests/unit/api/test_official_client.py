"""The official client, unmodified, against a server on this machine."""

import io
from typing import Any

import fal_client
import fal_client.client
import httpx
import pytest
from PIL import Image

SCHNELL = "fal-ai/flux/schnell"
ENDLESS = {"prompt": "endless"}


def followed(handle: fal_client.SyncRequestHandle) -> fal_client.Completed:
    """The last status of a request, with its logs."""
    *_, last = handle.iter_events(with_logs=True)
    assert isinstance(last, fal_client.Completed)
    return last


def picture(output: dict[str, Any]) -> Image.Image:
    """The first picture of an output, fetched without a key."""
    return Image.open(io.BytesIO(httpx.get(output["images"][0]["url"]).content))


def test_run(fal: fal_client.SyncClient) -> None:
    """`run` gives pictures that anyone can fetch, in the size asked for."""
    output = fal.run(SCHNELL, arguments={"prompt": "a", "seed": 9, "image_size": {"width": 96, "height": 64}})

    assert (output["seed"], picture(output).size) == (9, (96, 64))


def test_run_path_argument(fal: fal_client.SyncClient) -> None:
    """The endpoint may be split into app and path."""
    output = fal.run("fal-ai/flux", path="/schnell", arguments={"prompt": "a", "image_size": "square"})

    assert picture(output).size == (512, 512)


def test_subscribe_sees_logs(fal: fal_client.SyncClient) -> None:
    """`subscribe` follows a request to its end and sees a log line for every step."""
    seen: list[fal_client.Status] = []
    arguments = {"prompt": "logs", "image_size": "square"}
    output = fal.subscribe(SCHNELL, arguments=arguments, with_logs=True, on_queue_update=seen.append)

    assert output["images"]
    assert isinstance(seen[-1], fal_client.Completed)
    messages = [line["message"] for line in seen[-1].logs or []]
    assert [message for message in messages if message.startswith("step")] == [f"step {n}/4" for n in range(1, 5)]


def test_result_stays(fal: fal_client.SyncClient) -> None:
    """A submitted request can be asked for again, by handle and by id."""
    handle = fal.submit(SCHNELL, arguments={"prompt": "a", "image_size": "square"}, priority="low")

    assert handle.get() == fal.result(SCHNELL, handle.request_id)
    assert isinstance(fal.status(SCHNELL, handle.request_id), fal_client.Completed)


def test_stream_ends_with_the_output(fal: fal_client.SyncClient) -> None:
    """`stream` gives progress first and the output last."""
    *progress, output = fal.stream(SCHNELL, arguments={"prompt": "stream", "image_size": "square"})

    assert [event["progress"] for event in progress] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert output["images"]


def test_cancel_ends_the_request(fal: fal_client.SyncClient) -> None:
    """A cancelled request completes with an error, and its result is a 499."""
    handle = fal.submit(SCHNELL, arguments=ENDLESS)
    handle.cancel()

    assert followed(handle).error_type == "client_cancelled"
    with pytest.raises(fal_client.FalClientHTTPError) as failed:
        handle.get()
    assert failed.value.status_code == 499


def test_client_timeout_cancels(fal: fal_client.SyncClient) -> None:
    """A client that gives up cancels its request."""
    with pytest.raises(fal_client.FalClientTimeoutError) as given_up:
        fal.subscribe(SCHNELL, arguments=ENDLESS, client_timeout=1.01)

    assert isinstance(fal.status(SCHNELL, given_up.value.request_id), fal_client.Completed)


def test_start_timeout_is_not_retried(fal: fal_client.SyncClient) -> None:
    """A request that cannot start in time fails with 504, once."""
    with pytest.raises(fal_client.FalClientHTTPError) as failed:
        fal.run(SCHNELL, arguments={"prompt": "busy"}, start_timeout=2)

    assert (failed.value.status_code, failed.value.error_type) == (504, "request_timeout")
    assert failed.value.response_headers["x-fal-request-timeout-type"] == "user"


@pytest.mark.parametrize(
    ("endpoint", "arguments", "status"),
    [(SCHNELL, {}, 422), ("no/such", {"prompt": "a"}, 404), ("fal-ai/esrgan", {"image_url": "http://127.0.0.1/"}, 422)],
)
def test_errors_reach_the_caller(
    fal: fal_client.SyncClient, endpoint: str, arguments: dict[str, Any], status: int
) -> None:
    """The client raises what the server said."""
    with pytest.raises(fal_client.FalClientHTTPError) as failed:
        fal.run(endpoint, arguments=arguments)

    assert failed.value.status_code == status


def test_invalid_input_fails_in_the_queue(fal: fal_client.SyncClient) -> None:
    """A queued request with invalid input completes with its error."""
    handle = fal.submit(SCHNELL, arguments={})
    last = followed(handle)

    assert (last.error, last.error_type) == ("Field required", "missing")


def test_output_is_input(fal: fal_client.SyncClient) -> None:
    """A picture of ours can be named by its URL, although our address is private; so can a data URI."""
    made = fal.run(SCHNELL, arguments={"prompt": "a", "image_size": {"width": 64, "height": 80}})
    enlarged = fal.run("fal-ai/esrgan", arguments={"image_url": made["images"][0]["url"], "sync_mode": True})
    again = fal.run(
        "fal-ai/flux/dev/image-to-image",
        arguments={"prompt": "b", "image_url": enlarged["image"]["url"], "num_inference_steps": 2},
    )

    assert (enlarged["image"]["width"], enlarged["image"]["height"]) == (128, 160)
    assert picture(again).size == (128, 160)


def test_body_of_50_megabytes_is_refused(base: str) -> None:
    """Far too large a body is answered with 413 while it is still being sent, and the server goes on."""
    answer = httpx.post(f"{base}/run/{SCHNELL}", content=b"x" * 50_000_000)

    assert answer.status_code == 413
    assert httpx.get(f"{base}/health").status_code == 200


@pytest.mark.parametrize("with_token", [True, False])
def test_realtime(fal: fal_client.SyncClient, with_token: bool) -> None:
    """A connection answers one input after the other, with a token or with a key."""
    size = {"width": 64, "height": 80}
    with fal.realtime(SCHNELL, use_jwt=with_token, max_buffering=2) as connection:
        for seed in (1, 2):
            connection.send({"prompt": "a", "seed": seed, "image_size": size})
            answer = connection.recv()

            assert answer is not None
            assert answer["seed"] == seed
            assert Image.open(io.BytesIO(answer["images"][0]["content"])).size == (64, 80)


def test_realtime_errors(fal: fal_client.SyncClient) -> None:
    """Invalid input raises what the server said."""
    with fal.realtime(SCHNELL, use_jwt=False) as connection:
        connection.send({"prompt": "a", "num_inference_steps": -1})
        with pytest.raises(fal_client.client.RealtimeError) as failed:
            connection.recv()

    assert failed.value.error == "INVALID_INPUT"
