"""What `darkroom up` says when the server is warm."""

import subprocess
import sys
from pathlib import Path

import pytest

from app.cli.announcement import fal_key, first_drawing_endpoint, recipe
from app.config import DarkroomSettings, load_settings

SHOW = """
import fal_client.client
print(fal_client.client.RUN_URL_FORMAT, fal_client.client.QUEUE_URL_FORMAT, fal_client.client.REALTIME_URL_FORMAT)
print(fal_client.client.REST_URL, fal_client.client.CDN_URL)
"""


def test_recipe_redirects_fal_client() -> None:
    """The pasted lines send every kind of call of an unmodified fal-client to the server."""
    program = recipe("http://127.0.0.1:8000") + SHOW
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout.split() == [
        "http://127.0.0.1:8000/run/",
        "http://127.0.0.1:8000/queue/",
        "ws://127.0.0.1:8000/run/",
        "http://127.0.0.1:8000/rest",
        "http://127.0.0.1:8000/cdn",
    ]


def test_recipe_is_short() -> None:
    """The recipe is short enough to be pasted."""
    assert len(recipe("http://127.0.0.1:8000").strip().splitlines()) == 4


def test_example_endpoint_needs_only_a_prompt(config: Path) -> None:
    """The endpoint in the example draws from text, wherever it stands in the configuration."""
    assert first_drawing_endpoint(load_settings(config)) == "fal-ai/flux/schnell"


def test_example_endpoint_of_an_upscaling_server() -> None:
    """A server that only upscales still has an example."""
    settings = DarkroomSettings.model_validate(
        {"variants": {"a": {"source": "x"}}, "endpoints": {"fal-ai/esrgan": {"task": "upscale"}}}
    )

    assert first_drawing_endpoint(settings) == "fal-ai/esrgan"


@pytest.mark.parametrize("url", ["http://127.0.0.1:8000", "http://192.0.2.7:9000"])
def test_recipe_names_the_address(url: str) -> None:
    """Every line that holds an address holds this one."""
    lines = recipe(url).strip().splitlines()[1:]

    assert all(url.removeprefix("http") in line for line in lines)


def test_what_to_set_as_a_key(config: Path) -> None:
    """Anything where callers on this machine need none; elsewhere the command that makes one."""
    local = load_settings(config)
    opened = local.model_copy(update={"server": local.server.model_copy(update={"host": "0.0.0.0"})})

    assert fal_key(local) == "any"
    assert "darkroom keys create" in fal_key(opened)
