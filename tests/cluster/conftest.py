"""Real servers for the tests, one at a time, because each takes a whole small machine."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass

import pytest
from otlp import Receiver, receiving
from serving import Serving, serving


@dataclass(frozen=True, slots=True)
class Watched:
    """A server whose spans arrive at `receiver`."""

    server: Serving
    receiver: Receiver


class Servers:
    """Starts the server that is asked for and stops the one before it."""

    def __init__(self) -> None:
        self._open = ExitStack()
        self._running: dict[str, Watched] = {}

    def use(self, proxy: str) -> Watched:
        """Two replicas of the main variant behind that proxy; nothing is answered from the exact cache."""
        if proxy not in self._running:
            self.stop()
            self._running[proxy] = self._start(proxy)
        return self._running[proxy]

    def stop(self) -> None:
        """Stop the server that runs, if one does."""
        self._running.clear()
        self._open.close()

    def _start(self, proxy: str) -> Watched:
        receiver = self._open.enter_context(receiving())
        changes = {
            "server": {"proxy": proxy},
            "variants": {"sketch": {"num_cpus": 0.1, "autoscaling": {"min_replicas": 2, "max_replicas": 2}}},
            "cache": {"max_entries": 0},
            "telemetry": {"otlp_endpoint": receiver.endpoint},
        }
        return Watched(self._open.enter_context(serving(changes)), receiver)


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    """The servers of this session; the last one is stopped at its end."""
    servers = Servers()
    yield servers
    servers.stop()


@pytest.fixture
def watched(servers: Servers) -> Watched:
    """The server behind HAProxy, with its spans."""
    return servers.use("haproxy")


@pytest.fixture
def url(watched: Watched) -> str:
    """Where the server behind HAProxy listens."""
    return watched.server.url
