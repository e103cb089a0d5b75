"""Hostile inputs as data, how they are sent octet by octet, and a server that nobody may call."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

CORPUS = Path(__file__).parent / "spec" / "hostile"
PATIENCE_S = 20.0
_ENOUGH = 1_000_000

Piece = str | Mapping[str, Any] | Sequence[Any]


def corpus(name: str) -> list[Any]:
    """The inputs in the file of that name."""
    inputs = yaml.safe_load((CORPUS / f"{name}.yaml").read_text(encoding="utf-8"))
    assert isinstance(inputs, list)
    return inputs


def octets(piece: Piece, *, canary: int) -> bytes:
    """What a piece of the corpus stands for: text as UTF-8, octets in hex, repetitions, and lists joined."""
    match piece:
        case str():
            return piece.replace("{canary}", str(canary)).encode()
        case {"hex": str(digits)}:
            return bytes.fromhex(digits)
        case {"repeat": [inner, int(times)]}:
            return octets(inner, canary=canary) * times
        case [*pieces]:
            return b"".join(octets(each, canary=canary) for each in pieces)
        case _:
            raise ValueError(f"not a piece: {piece!r}")


def request(method: bytes, path: bytes, lines: Sequence[bytes], body: bytes = b"") -> bytes:
    """An HTTP/1.1 request as it stands on the wire; the lines are not looked at."""
    return b"".join((method, b" ", path, b" HTTP/1.1\r\n", *(line + b"\r\n" for line in lines), b"\r\n", body))


def answer_to(port: int, sent: bytes, *, ends: bool) -> tuple[int, bytes]:
    """The status and all octets of the answer to what is sent to the server, status 0 when it hangs up without one.

    Where the sending `ends`, the server learns that nothing follows. Raises TimeoutError when it neither answers nor
    hangs up in the time that is allowed.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            connection.sendall(sent)
            if ends:
                connection.shutdown(socket.SHUT_WR)
        received = b"".join(_received(connection))
    status = received[9:12]
    return (int(status) if received.startswith(b"HTTP/1.1 ") and status.isdigit() else 0), received


def _received(connection: socket.socket) -> Iterator[bytes]:
    left = _ENOUGH
    try:
        while left > 0 and (chunk := connection.recv(65_536)):
            left -= len(chunk)
            yield chunk
    except ConnectionResetError:
        return


class Canary(socketserver.ThreadingTCPServer):
    """Listens on the loopback, which callers may not reach through us, and remembers what came."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Heard)
        self.heard: list[bytes] = []

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.server_address[1])


class _Heard(socketserver.BaseRequestHandler):
    def handle(self) -> None:
        assert isinstance(self.server, Canary)
        self.request.settimeout(1)
        self.server.heard.append(self.request.recv(4096))


@contextmanager
def canary() -> Iterator[Canary]:
    """A canary that listens until the block is left."""
    with Canary() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
