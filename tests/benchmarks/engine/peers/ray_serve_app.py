"""Plain Ray Serve: one replica behind HAProxy, FastAPI ingress, `@serve.batch` of up to eight within 20 ms."""

import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from benchmarks.engine.asks import Ask
from benchmarks.engine.peers.arguments import port
from benchmarks.engine.peers.exact_cache import ExactCache
from fastapi import FastAPI, Response

from app.cli.environment import ray_environment
from app.config import ServerSettings

OBJECT_STORE_BYTES = 100_000_000
BATCH = {"max_batch_size": 8, "batch_wait_timeout_s": 0.02}

app = FastAPI()
app.add_middleware(ExactCache)


@contextmanager
def _ray(folder: Path) -> Iterator[None]:
    """A Ray of our own below `folder`, with the switches that Darkroom's own graph is started with."""
    os.environ.update(ray_environment(ServerSettings(), folder=folder))
    import ray
    from ray import serve

    ray.init(
        num_cpus=4, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES, log_to_driver=False,
        _temp_dir=str(folder),
    )  # fmt: skip
    try:
        yield
    finally:
        serve.shutdown()
        ray.shutdown()


def _serve(listen: int) -> None:
    from benchmarks.engine.pipeline import load_artist
    from ray import serve

    @serve.deployment(num_replicas=1, max_ongoing_requests=1000, logging_config={"enable_access_log": False})
    @serve.ingress(app)
    class Sketch:
        """One replica with the model and a thread for it."""

        def __init__(self) -> None:
            self.artist = load_artist()
            self.device = ThreadPoolExecutor(max_workers=1)

        @serve.batch(**BATCH)
        async def draw_together(self, asks: list[Ask]) -> list[bytes]:
            """The PNG files of a batch."""
            return await asyncio.get_running_loop().run_in_executor(self.device, self.artist.draw, asks)

        @app.post("/draw")
        async def draw(self, ask: Ask) -> Response:
            """One PNG file."""
            return Response(await self.draw_together(ask), media_type="image/png")

    serve.start(http_options={"host": "127.0.0.1", "port": listen})
    serve.run(cast(Any, Sketch).bind(), name="sketch", route_prefix="/")


def main() -> None:
    """Serve until told to stop."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    listen = port()
    # A socket's path may not be long.
    with tempfile.TemporaryDirectory(prefix="rs-", ignore_cleanup_errors=True) as folder, _ray(Path(folder)):
        _serve(listen)
        while True:
            signal.pause()


if __name__ == "__main__":
    main()
