"""A receiver of webhooks that acknowledges whatever comes, and remembers it."""

import json
import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Receiver:
    """What has arrived: how often each body came, by request id."""

    def __init__(self) -> None:
        self._bodies: dict[str, Counter[bytes]] = {}
        self._lock = threading.Lock()
        self.url = ""

    @property
    def requests(self) -> int:
        """How many requests have been told about."""
        return len(self._bodies)

    @property
    def deliveries(self) -> int:
        """How many messages have arrived, repeated ones included."""
        with self._lock:
            return sum(bodies.total() for bodies in self._bodies.values())

    def has_heard_of(self, request_ids: Iterable[str]) -> bool:
        """Whether all of these requests have been told about."""
        return all(request_id in self._bodies for request_id in request_ids)

    def bodies(self, request_id: str) -> list[bytes]:
        """The different bodies that came for a request."""
        return list(self._bodies.get(request_id, {}))

    def take(self, body: bytes) -> None:
        """Note a delivery."""
        with self._lock:
            self._bodies.setdefault(json.loads(body)["request_id"], Counter())[body] += 1


@contextmanager
def receiving_hooks() -> Iterator[Receiver]:
    """A receiver on a free port of loopback, until the block is left."""
    receiver = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.take(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/hook"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield receiver
        server.shutdown()
        thread.join()
