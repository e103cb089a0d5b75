"""LitServe: one worker, batches of up to eight within 20 ms, its ZeroMQ queue between HTTP and worker."""

from typing import Any

import litserve  # type: ignore[import-not-found]
from benchmarks.engine.asks import Ask
from benchmarks.engine.peers.arguments import port
from benchmarks.engine.peers.exact_cache import ExactCache
from benchmarks.engine.pipeline import Artist, load_artist
from fastapi import Response


class Sketch(litserve.LitAPI):  # type: ignore[misc]
    """Requests become asks, asks are drawn together, pictures become responses."""

    artist: Artist

    def setup(self, device: str) -> None:
        """Load the model, in the worker."""
        self.artist = load_artist()

    def decode_request(self, request: dict[str, Any]) -> Ask:
        """LitServe passes the body to a parameter of this very name."""
        return Ask(**request)

    def batch(self, inputs: list[Ask]) -> list[Ask]:
        """Asks stay a list."""
        return inputs

    def predict(self, asks: list[Ask]) -> list[bytes]:
        """The PNG files of a batch."""
        return self.artist.draw(asks)

    def unbatch(self, output: list[bytes]) -> list[bytes]:
        """Files are a list already."""
        return output

    def encode_response(self, output: bytes) -> Response:
        """The file itself."""
        return Response(output, media_type="image/png")


def main() -> None:
    """Serve until told to stop."""
    server = litserve.LitServer(
        Sketch(max_batch_size=8, batch_timeout=0.02, api_path="/draw"),
        accelerator="cpu", workers_per_device=1, timeout=False, fast_queue=True, middlewares=[ExactCache],
    )  # fmt: skip
    server.run(host="127.0.0.1", port=port(), num_api_servers=1, log_level="error", access_log=False,
               generate_client_file=False)  # fmt: skip


if __name__ == "__main__":
    main()
