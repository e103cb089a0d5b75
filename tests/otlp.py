"""An OTLP-over-HTTP receiver for tests and benchmarks: real spans, as a collector would get them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


@dataclass(frozen=True, slots=True)
class ReceivedSpan:
    """One finished span; times are epoch seconds."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str
    started_s: float
    ended_s: float
    attributes: dict[str, Any]


class Receiver:
    """Collects spans; `endpoint` is what exporters are pointed at."""

    def __init__(self, port: int) -> None:
        self.endpoint = f"http://127.0.0.1:{port}/v1/traces"
        self._arrived = threading.Condition()
        self._spans: list[ReceivedSpan] = []

    def add(self, body: bytes) -> None:
        """Keep the spans of one export."""
        with self._arrived:
            self._spans.extend(_spans(ExportTraceServiceRequest.FromString(body)))
            self._arrived.notify_all()

    def spans(self, name: str | None = None) -> list[ReceivedSpan]:
        """What has arrived, by start; all of it or the spans of one name."""
        with self._arrived:
            chosen = [span for span in self._spans if name in (None, span.name)]
        return sorted(chosen, key=lambda span: span.started_s)

    def wait_until(self, holds: Callable[[list[ReceivedSpan]], bool], *, timeout_s: float = 60.0) -> None:
        """Wait until that holds of all spans that have arrived; raises TimeoutError."""
        with self._arrived:
            if not self._arrived.wait_for(lambda: holds(self._spans), timeout_s):
                raise TimeoutError("the spans waited for did not arrive")


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Receive spans on a free loopback port until the block is left."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.add(self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    receiver = Receiver(server.server_port)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()


def _spans(request: ExportTraceServiceRequest) -> Iterator[ReceivedSpan]:
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield ReceivedSpan(
                    name=span.name,
                    trace_id=span.trace_id.hex(),
                    span_id=span.span_id.hex(),
                    parent_id=span.parent_span_id.hex(),
                    started_s=span.start_time_unix_nano / 1e9,
                    ended_s=span.end_time_unix_nano / 1e9,
                    attributes={pair.key: _value(pair.value) for pair in span.attributes},
                )


def _value(value: Any) -> Any:
    return getattr(value, value.WhichOneof("value"))
