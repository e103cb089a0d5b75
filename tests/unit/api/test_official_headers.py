"""Wishes about the handling of requests, through fal's own client."""

import json
from collections.abc import Iterator

import fal_client
import httpx
import pytest
from fal_server import official_client
from painting import LOCAL, Painter, Studio, studio

from app.config import load_settings
from app.errors import GenerationFailedError

SCHNELL = "fal-ai/flux/schnell"
SMALL = {"width": 64, "height": 64}
PREFERENCE = "X-Fal-Object-Lifecycle-Preference"


@pytest.fixture(scope="module")
def place() -> Iterator[Studio]:
    """A running server, whose painter cannot paint what is bad."""
    with studio(Painter(errors={"bad": GenerationFailedError("no more memory")}), load_settings(LOCAL)) as place:
        yield place


@pytest.fixture(scope="module")
def fal(place: Studio) -> Iterator[fal_client.SyncClient]:
    """fal's client, told where the server is."""
    with official_client(place.url) as client:
        yield client


def test_tags_are_shown(fal: fal_client.SyncClient) -> None:
    """A request carries its labels as long as it is kept."""
    asked = {"prompt": "a", "image_size": SMALL}
    handle = fal.submit(SCHNELL, arguments=asked, headers={"X-Fal-Tags": "team=lab, run=7"})
    handle.get()

    assert httpx.get(handle.status_url).json()["tags"] == {"team": "lab", "run": "7"}


@pytest.mark.parametrize("retries", [0, 2])
def test_failures_are_tried_again_where_wanted(fal: fal_client.SyncClient, place: Studio, retries: int) -> None:
    """A model's failure is final, unless the caller wants it tried so many times more."""
    before = len(place.painter.runs)
    config = json.dumps({"server_error": {"retries": retries}})
    with pytest.raises(fal_client.client.FalClientHTTPError, match="no more memory"):
        fal.subscribe(SCHNELL, arguments={"prompt": "bad", "seed": 1}, headers={"X-Fal-Retry-Config": config})

    assert len(place.painter.runs) - before == 1 + retries


def test_hints_reach_the_router(fal: fal_client.SyncClient, place: Studio) -> None:
    """The caller's hint goes with the job, called directly and from the queue."""
    for call in (fal.run, fal.subscribe):
        call(SCHNELL, arguments={"prompt": "hinted", "image_size": SMALL}, hint="lora-7")

    hints = [job.handling.hint for job in place.painter.runs if job.spec.prompt == "hinted"]
    assert hints == ["lora-7"] * len(hints) != []


def test_outputs_for_some_time(fal: fal_client.SyncClient) -> None:
    """Files that are to be gone at some time are files of their own, which caches may keep until then."""
    asked = {"prompt": "short", "image_size": SMALL, "seed": 1}
    lasting = fal.run(SCHNELL, arguments=asked)["images"][0]
    headers = {PREFERENCE: json.dumps({"expiration_duration_seconds": 100})}
    handle = fal.submit(SCHNELL, arguments=asked, headers=headers)
    short = handle.get()["images"][0]
    told = httpx.get(short["url"])

    assert short["url"] != lasting["url"]
    assert (told.status_code, told.content) == (200, httpx.get(lasting["url"]).content)
    assert int(told.headers["cache-control"].partition("max-age=")[2]) <= 100
    assert handle.get()["images"][0]["url"] == short["url"]


def test_outputs_that_are_over(fal: fal_client.SyncClient) -> None:
    """After its time a file is not found."""
    headers = {PREFERENCE: json.dumps({"expiration_duration_seconds": 0.001})}
    asked = {"prompt": "over", "image_size": SMALL, "seed": 1}
    output = fal.subscribe(SCHNELL, arguments=asked, headers=headers)

    assert httpx.get(output["images"][0]["url"]).status_code == 404


def test_hidden_outputs_are_refused(fal: fal_client.SyncClient) -> None:
    """An output that is to be hidden is not made at all, because who knows its URL could read it."""
    headers = {PREFERENCE: json.dumps({"initial_acl": {"default": "forbid"}})}
    with pytest.raises(fal_client.client.FalClientHTTPError) as refused:
        fal.run(SCHNELL, arguments={"prompt": "a"}, headers=headers)

    assert refused.value.status_code == 400
