"""FastAPI with a lock: what one writes first; one picture at a time, in a thread."""

import asyncio

import uvicorn
from benchmarks.engine.asks import Ask
from benchmarks.engine.peers.arguments import port
from benchmarks.engine.peers.exact_cache import ExactCache
from benchmarks.engine.pipeline import Artist, load_artist
from fastapi import FastAPI, Response


def application(artist: Artist) -> FastAPI:
    """The application around a loaded model."""
    app, lock = FastAPI(), asyncio.Lock()
    app.add_middleware(ExactCache)

    @app.post("/draw")
    async def draw(ask: Ask) -> Response:
        async with lock:
            files = await asyncio.to_thread(artist.draw, [ask])
        return Response(files[0], media_type="image/png")

    return app


def main() -> None:
    """Serve until told to stop."""
    uvicorn.run(application(load_artist()), host="127.0.0.1", port=port(), log_level="error", access_log=False)


if __name__ == "__main__":
    main()
