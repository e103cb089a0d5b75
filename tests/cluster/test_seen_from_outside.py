"""What an operator sees of a request: one trace across all processes, and a receipt."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from cluster.conftest import Watched
from otlp import ReceivedSpan

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(300)]

CALLERS = 8
ARGUMENTS = {"prompt": "two green triangles", "image_size": "square", "seed": 99}


def test_a_request_is_one_trace_from_the_gateway_to_the_blob_store(watched: Watched) -> None:
    """Gateway, queue, every step, decoding, upscaling and storing hang under one root span."""
    answer = httpx.post(watched.server.url + "/run/fal-ai/flux/schnell", json=ARGUMENTS, timeout=60).raise_for_status()
    request_id = answer.headers["x-fal-request-id"]
    watched.receiver.wait_until(lambda spans: request_id in {span.attributes.get("request_id") for span in spans})

    root = next(span for span in watched.receiver.spans("gateway") if span.attributes["request_id"] == request_id)
    watched.receiver.wait_until(
        lambda spans: (
            {"queue", "step", "decode", "upscale", "store"}
            <= {span.name for span in spans if span.trace_id == root.trace_id}
        )
    )
    children = [span for span in watched.receiver.spans() if span.trace_id == root.trace_id and span is not root]
    assert {span.parent_id for span in children} == {root.span_id}
    assert sum(span.name == "step" for span in children) == 4
    assert all(root.started_s <= span.started_s and span.ended_s <= root.ended_s for span in children)


def test_a_picture_comes_with_its_receipt(url: str) -> None:
    """The receipt tells variant, steps, cache level and what each stage took."""
    arguments = ARGUMENTS | {"seed": 100}
    answer = httpx.post(url + "/run/fal-ai/flux/schnell", json=arguments, timeout=60).raise_for_status().json()

    (receipt,) = answer["receipts"]
    assert (receipt["variant"], receipt["steps"], receipt["cache"]) == ("sketch", 4, "none")
    assert all(receipt[time] > 0 for time in ("queue_s", "denoise_s", "decode_s", "upscale_s", "gpu_ms"))


def test_work_stops_when_its_client_leaves(watched: Watched) -> None:
    """A direct call whose client hangs up ends within a step or two, not at its last one."""
    long = {"prompt": "four red circles", "num_inference_steps": 50, "num_images": 4, "image_size": "square"}

    def give_up(_: int) -> None:
        with pytest.raises(httpx.ReadTimeout):
            httpx.post(watched.server.url + "/run/fal-ai/flux/dev", json=long, timeout=0.5)

    # So many at once that no machine is done with one of them before its client leaves.
    with ThreadPoolExecutor(CALLERS) as pool:
        list(pool.map(give_up, range(CALLERS)))

    watched.receiver.wait_until(lambda spans: any(was_abandoned(span) for span in spans))
    root = next(span for span in watched.receiver.spans("gateway") if was_abandoned(span))
    steps = [span for span in watched.receiver.spans("step") if span.trace_id == root.trace_id]
    assert len(steps) < 4 * 50


def was_abandoned(span: ReceivedSpan) -> bool:
    """The root span of a direct call that ended without a picture."""
    return span.name == "gateway" and span.attributes["pictures"] == 0 and span.attributes["endpoint"].endswith("dev")
