"""BentoML: one service, its adaptive batcher with batches of up to eight.

The batcher chooses its window by itself from what it measures. It refuses what it believes to
take longer than `max_latency_ms`, so that a generous value is what serves everybody. A batch
function can answer neither files nor responses, only lists; hence base64 in a list of one.
"""

import os
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any, cast

import bentoml  # type: ignore[import-not-found]
from benchmarks.engine.asks import Ask
from benchmarks.engine.peers.arguments import port
from benchmarks.engine.peers.exact_cache import ExactCache
from benchmarks.engine.pipeline import load_artist

SETTINGS: dict[str, Any] = {
    "workers": 1,
    "threads": 1,
    "traffic": {"timeout": 600},
    "metrics": {"enabled": False},
    "logging": {"access": {"enabled": False}},
}


@bentoml.service(**SETTINGS)
class Sketch:
    """The model, drawing what the batcher collects."""

    def __init__(self) -> None:
        self.artist = load_artist()

    @bentoml.api(batchable=True, max_batch_size=8, max_latency_ms=60_000)
    def draw(self, asks: list[dict[str, Any]], /) -> list[str]:
        """The PNG files of a batch."""
        return [b64encode(file).decode() for file in self.artist.draw([Ask(**ask) for ask in asks])]


cast(Any, Sketch).add_asgi_middleware(ExactCache)


def main() -> None:
    """Become BentoML's own server."""
    here = Path(__file__)
    command = [sys.executable, "-m", "bentoml", "serve", f"{here.stem}:Sketch", "--working-dir", str(here.parent)]
    os.execv(sys.executable, [*command, "--host", "127.0.0.1", "--port", str(port())])


if __name__ == "__main__":
    main()
