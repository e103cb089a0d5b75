"""`darkroom cache stats`, `audit`, `purge` and `explain --url`: the cache of a running server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from app.cli.main import command_line

BAND = {
    "floor": 0.9, "state": "earned", "audits": 299, "errors": 0, "bound": 0.0099, "hits": 41, "served_audits": 3,
    "served_errors": 1,
}  # fmt: skip
STATS = {
    "keys": {"memory": 3, "shared": 7},
    "similar": [{"name": "a/b/abcdef0123", "namespace": {"tenant": "ann"}, "entries": 5, "bands": [BAND]}],
}
NOMINEE = {"prompt": "a red fox", "similarity": 0.97, "action": "refuse", "reason": "they have different numbers"}
ANSWERS: dict[str, Any] = {
    "/cache": STATS,
    "/cache/audit": [{"namespace": "a/b/abcdef0123", "floor": 0.9, "judged": 40, "wrong": 2, "bound": 0.12}],
    "/cache/purge": {"pictures": 2, "similar": 1, "files": 2},
    "/cache/explain": {"remembered": ["a.png"], "similar": [NOMINEE]},
}


class Server:
    """Answers as the routes do, and remembers what it is asked; `refusal` is said instead of anything."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, Any, str]] = []
        self.refusal: str | None = None
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.http.server_address[1]}"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(None)

            def do_POST(self) -> None:
                self._answer(json.loads(self.rfile.read(int(self.headers["content-length"]))))

            def log_message(self, *arguments: Any) -> None:
                """Nothing."""

            def _answer(self, body: Any) -> None:
                server.asked.append((self.command, self.path, body, self.headers.get("authorization", "")))
                refused = server.refusal is not None
                data = json.dumps({"detail": server.refusal} if refused else ANSWERS[self.path]).encode()
                self.send_response(403 if refused else 200)
                self.send_header("content-length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        return Handler


@pytest.fixture
def server() -> Iterator[Server]:
    """A server on a free port."""
    server = Server()
    thread = threading.Thread(target=server.http.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.http.shutdown()
    thread.join()
    server.http.server_close()


def run(*arguments: str) -> Result:
    """The command, in a terminal that is wide enough."""
    return CliRunner().invoke(command_line(), ["cache", *arguments], env={"COLUMNS": "160"})


def test_stats(server: Server) -> None:
    """Keys by level, and a line for each band: in shadow and in service, audits and wrong ones."""
    output = run("stats", "--url", server.url).output

    assert "pictures known: memory 3, shared 7" in output
    assert [cell in output for cell in ("abcdef01", "ann", "earned", "299 + 3", "0 + 1", "1.0%", "41")] == [True] * 7


def test_audit(server: Server) -> None:
    """What the server judged, by band."""
    output = run("audit", "--most", "40", "--url", server.url).output

    assert server.asked[-1][2] == {"most": 40}
    assert [cell in output for cell in ("abcdef01", "40", "2", "12.0%")] == [True] * 4


def test_purge(server: Server) -> None:
    """What is named is sent with the key, and what is gone is told."""
    output = run("purge", "--tenant", "ann", "--prompt", "a fox", "--url", server.url, "--key", "id:secret").output

    assert server.asked == [
        ("POST", "/cache/purge", {"prompt": "a fox", "tenant": "ann", "keep_files": False}, "Key id:secret")
    ]
    assert output == "forgotten: 2 pictures; deleted: 2 files\n"


def test_a_purge_names_something(server: Server) -> None:
    """Nothing is asked of the server otherwise."""
    assert run("purge", "--url", server.url).exit_code == 1
    assert server.asked == []


def test_explain_with_a_server(server: Server) -> None:
    """After how the prompt is compared: what its words find there, and what would become of each nominee."""
    output = run("explain", "two red foxes", "--url", server.url, "--tenant", "ann").output.splitlines()

    assert server.asked[-1][2] == {"prompt": "two red foxes", "tenant": "ann"}
    assert output[1:] == ["in these words: a.png", "0.9700 'a red fox': refuse: they have different numbers"]


def test_a_refusal_is_told(server: Server) -> None:
    """What the server says is the error."""
    server.refusal = "The API key does not have the scope admin"
    result = run("stats", "--url", server.url)

    assert "scope admin" in str(result.exception)


def test_nobody_there() -> None:
    """A server that does not answer is named."""
    assert "no server answers at" in str(run("stats", "--url", "http://127.0.0.1:9").exception)
