"""The official client's webhooks, delivered by a server on this machine."""

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import fal_client
import httpx
import pytest

SCHNELL = "fal-ai/flux/schnell"
Delivery = tuple[str, dict[str, str], bytes]


class Sink(ThreadingHTTPServer):
    """A receiver on this machine that puts what it gets into a queue, and acknowledges it."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.got: queue.Queue[Delivery] = queue.Queue()

    @property
    def hook(self) -> str:
        """The URL to name, with a query that must arrive as it is."""
        return f"http://127.0.0.1:{self.server_port}/hook?token=a%20b&x=1"


class _Handler(BaseHTTPRequestHandler):
    server: Sink

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.put((self.path, dict(self.headers), body))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def sink() -> Iterator[Sink]:
    """A receiver that listens."""
    with Sink() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_results_and_errors_are_delivered(fal: fal_client.SyncClient, sink: Sink) -> None:
    """Both requests are told about, the valid one with the output that the client gets too."""
    good = fal.submit(SCHNELL, arguments={"prompt": "hook", "image_size": "square"}, webhook_url=sink.hook)
    bad = fal.submit(SCHNELL, arguments={}, webhook_url=sink.hook)
    deliveries = [sink.got.get(timeout=30) for _ in range(2)]
    told = {body["request_id"]: body for body in (json.loads(raw) for _, _, raw in deliveries)}

    assert {path for path, _, _ in deliveries} == {"/hook?token=a%20b&x=1"}
    assert told[good.request_id]["payload"] == good.get()
    assert (told[bad.request_id]["status"], told[bad.request_id]["error"]) == ("ERROR", "Invalid status code: 422")


def test_cancellation_is_delivered(fal: fal_client.SyncClient, sink: Sink) -> None:
    """Who waits for a webhook learns of a cancellation, too."""
    handle = fal.submit(SCHNELL, arguments={"prompt": "endless"}, webhook_url=sink.hook)
    handle.cancel()
    _, headers, raw = sink.got.get(timeout=30)

    assert headers["X-Fal-Webhook-Request-Id"] == handle.request_id
    assert json.loads(raw)["error"] == "Invalid status code: 499"


def test_workflows_and_batches_are_told_about(fal: fal_client.SyncClient, base: str, sink: Sink) -> None:
    """Work that is made of other requests tells once, at its end: a workflow its output, a batch its counts."""
    node = {"type": "run", "app": SCHNELL, "input": {"prompt": "hook", "seed": 3, "image_size": "square"}}
    workflow = {"nodes": {"draw": node}, "output": {"seed": "$draw.seed"}}
    handle = fal.submit("workflows/execute", arguments={"workflow": workflow}, webhook_url=sink.hook)
    row = {"prompt": "hook", "image_size": "square", "endpoint": SCHNELL}
    headers, query = {"Content-Type": "application/jsonl"}, {"fal_webhook": sink.hook}
    batch = httpx.post(f"{base}/batches", content=json.dumps(row), headers=headers, params=query).json()
    told = {body["request_id"]: body for body in (json.loads(sink.got.get(timeout=30)[2]) for _ in range(2))}

    assert told[handle.request_id]["payload"] == {"seed": 3}
    assert told[batch["id"]]["payload"] == {
        "total": 1,
        "completed": 1,
        "failed": 0,
        "manifest_url": batch["manifest_url"],
    }
