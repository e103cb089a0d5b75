"""What `darkroom up` says when the server is warm: where it is, what it took, how to use it."""

from collections.abc import Sequence
from pathlib import Path

import psutil
from rich.console import Console

from app.cli import processes
from app.cli.environment import local_url
from app.config import DarkroomSettings
from app.generation import Task
from app.tenants.access import needs_key

ANY_KEY = "any"

PYTHON = """\
import fal_client.client as fal
fal.RUN_URL_FORMAT, fal.QUEUE_URL_FORMAT = "{url}/run/", "{url}/queue/"
fal.REST_URL, fal.CDN_URL = "{url}/rest", "{url}/cdn"
fal.REALTIME_URL_FORMAT = "{socket}/run/"
"""

ENVIRONMENT = """\
export FAL_RUN_HOST={host}/run FAL_QUEUE_RUN_HOST={host}/queue
export SSL_CERT_FILE={bundle}
export FAL_KEY={key}
"""

TUNNEL = """\
export HTTPS_PROXY={proxy}
export SSL_CERT_FILE={bundle}
export FAL_KEY={key}
"""

CURL = """\
curl {url}/run/{endpoint} -H 'content-type: application/json' -d '{{"prompt": "a red circle"}}'
"""


def announce(
    settings: DarkroomSettings, family: Sequence[psutil.Process], console: Console, *, url: str, ready_s: float
) -> None:
    """Print the addresses, the time to ready, and the memory of the whole process family."""
    gigabytes = processes.resident_bytes(family) / 1e9
    console.print(f"Darkroom is ready at [bold]{url}[/]", highlight=False)
    console.print(f"Ray dashboard at http://127.0.0.1:{settings.ray.dashboard_port}", highlight=False)
    console.print(f"Ready after {ready_s:.1f} s; {gigabytes:.2f} GB resident in {len(family)} processes.")


def announce_recipes(settings: DarkroomSettings, console: Console) -> None:
    """Print how to use a server without TLS: with fal-client, and with curl."""
    url = local_url(settings.server)
    advice = "any FAL_KEY will do" if fal_key(settings) == ANY_KEY else "with a FAL_KEY of: darkroom keys create NAME"
    console.print(f"\nFor fal-client ({advice}), before the first call:\n")
    _paste(console, recipe(url))
    console.print("With curl:\n")
    _paste(console, CURL.format(url=url, endpoint=first_drawing_endpoint(settings)))


def recipe(url: str) -> str:
    """The few lines of Python that point an unmodified fal-client at the server."""
    return PYTHON.format(url=url, socket=url.replace("http", "ws", 1))


def fal_key(settings: DarkroomSettings) -> str:
    """What a caller on this machine sets as FAL_KEY: anything, or what to put in its place."""
    is_needed = needs_key(settings.auth.required, bound_host=settings.server.host, peer=None, forwarded_for="")
    return "<made by: darkroom keys create NAME>" if is_needed else ANY_KEY


def announce_tls(host: str, bundle: Path, console: Console, *, proxy: str | None, key: str = ANY_KEY) -> None:
    """Print the environment in which an unchanged fal-client comes to the TLS server at `host` (name and port)."""
    if proxy is not None:
        console.print("\nFor fal-client, and everything else that calls fal, without a change:\n")
        _paste(console, TUNNEL.format(proxy=proxy, bundle=bundle, key=key))
        return
    console.print("\nFor fal-client, without a change:\n")
    _paste(console, ENVIRONMENT.format(host=host, bundle=bundle, key=key))
    console.print("Its uploads and its tokens for realtime have no such variable, and would still go to fal.")
    console.print("Start with --tunnel-port to have them, too.")


def first_drawing_endpoint(settings: DarkroomSettings) -> str:
    """The endpoint to show to a newcomer: the first that needs nothing but a prompt, else the first."""
    drawing = (name for name, each in settings.endpoints.items() if each.task is Task.TEXT_TO_IMAGE)
    return next(drawing, next(iter(settings.endpoints)))


def _paste(console: Console, text: str) -> None:
    """Lines to be copied: never wrapped, never coloured."""
    console.print(text, soft_wrap=True, highlight=False, markup=False)
