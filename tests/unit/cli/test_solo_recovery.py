"""Queued work and `kill -9` of the whole server."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from solo_server import solo

REQUESTS = 24
BEFORE_THE_KILL = 5
APP = "fal-ai/flux/schnell"


def asking(number: int) -> dict[str, Any]:
    """The input of one small picture that takes a moment."""
    size = {"width": 64, "height": 64}
    usual = {"prompt": f"a red circle {number}", "image_size": size, "output_format": "png"}
    return usual | {"seed": number, "num_inference_steps": 4 + number % 3}


def submit(http: httpx.Client, number: int) -> str:
    """The id of one queued request; a repeated call is the same request."""
    answer = http.post(f"/queue/{APP}", json=asking(number), headers={"Idempotency-Key": f"picture-{number}"})
    return answer.raise_for_status().json()["request_id"]


def statuses(http: httpx.Client, request_ids: list[str]) -> Iterator[list[dict[str, Any]]]:
    """The requests as they stand, over and over."""
    while True:
        yield [http.get(f"/queue/fal-ai/flux/requests/{each}/status").json() for each in request_ids]


def done(views: list[dict[str, Any]]) -> int:
    """How many are complete."""
    return sum(view["status"] == "COMPLETED" for view in views)


def picture(http: httpx.Client, output: dict[str, Any]) -> bytes:
    """The file of an output."""
    return http.get(output["images"][0]["url"]).raise_for_status().content


def result(http: httpx.Client, request_id: str) -> dict[str, Any]:
    """The output of a queued request."""
    answer: dict[str, Any] = http.get(f"/queue/fal-ai/flux/requests/{request_id}").raise_for_status().json()
    return answer


def drawn_undisturbed(folder: Path) -> list[bytes]:
    """All pictures, as a server draws them that nobody kills."""
    folder.mkdir()
    with solo(folder) as (url, _), httpx.Client(base_url=url, timeout=30) as http:
        answers = [http.post(f"/run/{APP}", json=asking(number)) for number in range(REQUESTS)]
        return [picture(http, answer.raise_for_status().json()) for answer in answers]


@pytest.mark.timeout(120)
def test_nothing_is_lost_when_the_server_is_killed(tmp_path: Path) -> None:
    """All results arrive after a new start on the same folders, what was seen before included.

    Each picture is the one that an undisturbed server draws, and a submit that is repeated after the
    kill is the request it was.
    """
    storage = {"storage": {"lease_s": 1.0}}
    with solo(tmp_path, storage) as (url, process), httpx.Client(base_url=url, timeout=30) as http:
        request_ids = [submit(http, number) for number in range(REQUESTS)]
        next(views for views in statuses(http, request_ids) if done(views) >= BEFORE_THE_KILL)
        process.kill()
        process.wait()
    with solo(tmp_path, storage) as (url, _), httpx.Client(base_url=url, timeout=30) as http:
        assert [submit(http, number) for number in range(REQUESTS)] == request_ids
        views = next(views for views in statuses(http, request_ids) if done(views) == REQUESTS)
        outputs = [result(http, each) for each in request_ids]
        again = [result(http, each) for each in request_ids]
        drawn = [picture(http, output) for output in outputs]
    assert [view.get("error") for view in views] == [None] * REQUESTS
    assert outputs == again
    assert [output["seed"] for output in outputs] == list(range(REQUESTS))
    assert drawn == drawn_undisturbed(tmp_path / "undisturbed")
