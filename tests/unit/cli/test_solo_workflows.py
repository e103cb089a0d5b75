"""Queued workflows and `kill -9` of the whole server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from solo_server import solo
from workflows import ENLARGE, SKETCH, node

WORKFLOWS = 5
PATH = "workflows/acme/chain"
SKETCHED = {"num_inference_steps": 6, "image_size": {"width": 64, "height": 64}, "output_format": "png"}
CHAIN = {
    "nodes": [
        node("first", SKETCH, prompt="$input.prompt", **SKETCHED),
        node("second", SKETCH, "first", prompt="a blue square", seed="$first.seed", **SKETCHED),
        node("third", SKETCH, "second", prompt="$second.prompt", **SKETCHED),
        node("big", ENLARGE, image_url="$third.images.0.url"),
    ],
    "output": {"all": ["$first.images.0", "$second.images.0", "$third.images.0", "$big.image"]},
}
SETTINGS: dict[str, Any] = {
    "storage": {"lease_s": 1.0},
    "endpoints": {ENLARGE: {"task": "upscale"}},
    "workflows": {"acme/chain": CHAIN},
}


def status(http: httpx.Client, request_id: str) -> dict[str, Any]:
    """A request as it stands, with its log."""
    answer: dict[str, Any] = http.get(f"/queue/{PATH}/requests/{request_id}/status?logs=1").json()
    return answer


def statuses(http: httpx.Client, request_ids: list[str]) -> Iterator[list[str]]:
    """The states of the requests, over and over."""
    while True:
        yield [status(http, each)["status"] for each in request_ids]


def pictures(http: httpx.Client, request_id: str) -> list[bytes]:
    """The files of a workflow's output."""
    output = http.get(f"/queue/{PATH}/requests/{request_id}").raise_for_status().json()
    return [http.get(httpx.URL(image["url"]).path).raise_for_status().content for image in output["all"]]


def submit(http: httpx.Client, number: int) -> str:
    """The id of one queued workflow."""
    answer = http.post(f"/queue/{PATH}", json={"prompt": f"a red circle {number}"})
    return answer.raise_for_status().json()["request_id"]


def drawn_again(http: httpx.Client, seeds: list[int], number: int) -> list[bytes]:
    """The sketches of a workflow by calls of their endpoints, with the seeds that its nodes had."""
    prompts = (f"a red circle {number}", "a blue square", "a blue square")
    files = []
    for prompt, seed in zip(prompts, seeds, strict=True):
        output = http.post(f"/run/{SKETCH}", json=SKETCHED | {"prompt": prompt, "seed": seed}).json()
        files.append(http.get(output["images"][0]["url"]).raise_for_status().content)
    return files


@pytest.mark.timeout(120)
def test_nothing_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    """Killed in the midst of queued workflows, the server goes on with them where they were.

    A node that was complete is not repeated, and every picture is the one that its seed makes.
    """
    with solo(tmp_path, SETTINGS) as (url, process), httpx.Client(base_url=url, timeout=30) as http:
        parents = [submit(http, number) for number in range(WORKFLOWS)]
        firsts = [f"{parent}-0" for parent in parents]
        next(states for states in statuses(http, firsts) if "COMPLETED" in states)
        before = {each: found for each in firsts if (found := status(http, each)).get("status") == "COMPLETED"}
        process.kill()
        process.wait()
    with solo(tmp_path, SETTINGS) as (url, _), httpx.Client(base_url=url, timeout=30) as http:
        next(states for states in statuses(http, parents) if set(states) == {"COMPLETED"})
        assert [status(http, parent).get("error") for parent in parents] == [None] * WORKFLOWS
        assert [status(http, each)["logs"] for each in before] == [each["logs"] for each in before.values()]
        for number, parent in enumerate(parents):
            nodes = [http.get(f"/queue/{SKETCH}/requests/{parent}-{each}").json() for each in range(3)]
            assert pictures(http, parent)[:3] == drawn_again(http, [each["seed"] for each in nodes], number)
