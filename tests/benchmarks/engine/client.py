"""A lean HTTP/1.1 client: one keep-alive connection, one request under way, nothing parsed that is not needed."""

import asyncio
from dataclasses import dataclass

_END = b"\r\n\r\n"
_LENGTH = b"content-length:"
_CHUNKED = b"transfer-encoding: chunked"


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered."""

    status: int
    body: bytes


class Connection:
    """A keep-alive connection to a server on this machine, opened by its first request."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, message: bytes) -> Answer:
        """Send a whole request and read the whole answer; raises OSError or EOFError when the server hangs up."""
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        writer.write(message)
        head = await reader.readuntil(_END)
        lowered = head.lower()
        body = await (_chunks(reader) if _CHUNKED in lowered else reader.readexactly(_length(lowered)))
        return Answer(int(head[9:12]), body)

    def close(self) -> None:
        """Hang up, whatever is under way."""
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None


def request(path: str, body: bytes, *headers: tuple[bytes, bytes]) -> bytes:
    """A POST of JSON as it goes over the wire."""
    more = b"".join(b"%b: %b\r\n" % header for header in headers)
    return (
        b"POST %b HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\n%bcontent-length: %d\r\n\r\n%b"
        % (path.encode(), more, len(body), body)
    )


def _length(head: bytes) -> int:
    start = head.index(_LENGTH) + len(_LENGTH)
    return int(head[start : head.index(b"\r", start)])


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    parts = []
    while size := int(await reader.readuntil(b"\r\n"), 16):
        parts.append((await reader.readexactly(size + 2))[:-2])
    await reader.readexactly(2)
    return b"".join(parts)
