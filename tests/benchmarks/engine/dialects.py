"""How each server wants to be asked, and where its answer holds the picture."""

import json
from base64 import b64decode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.engine.asks import Ask
from benchmarks.engine.client import request
from benchmarks.engine.peers.exact_cache import CACHED


@dataclass(frozen=True, slots=True)
class Dialect:
    """Where requests go, what they say, and how a PNG file is found in an answer."""

    path: str
    body: Callable[[Ask], Any]
    picture: Callable[[bytes], bytes]

    def message(self, ask: Ask, *, cached: bool) -> bytes:
        """The request as it goes over the wire; `cached` lets a peer's cache take part."""
        body = json.dumps(self.body(ask), separators=(",", ":")).encode()
        return request(self.path, body, *([CACHED] if cached else []))


def _fal_body(ask: Ask) -> dict[str, Any]:
    return {
        "prompt": ask.prompt,
        "seed": ask.seed,
        "num_inference_steps": ask.steps,
        "image_size": {"width": ask.width, "height": ask.height},
        "output_format": "png",
        "sync_mode": True,
    }


def _fal_picture(body: bytes) -> bytes:
    return b64decode(json.loads(body)["images"][0]["url"].partition(",")[2])


def _itself(body: bytes) -> bytes:
    return body


PLAIN = Dialect("/draw", Ask.as_json, _itself)
BENTO = Dialect("/draw", lambda ask: [ask.as_json()], lambda body: b64decode(json.loads(body)[0]))
FAL = Dialect("/run/fal-ai/flux/schnell", _fal_body, _fal_picture)
