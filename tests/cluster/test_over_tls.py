"""The graph over TLS, and fal's own names through a tunnel."""

from collections.abc import Iterator

import pytest
from serving import serving
from tls_client import CALLS, UPLOAD, announced, printed

from app.cli.certificates import local_certificates
from app.cli.environment import free_ports
from app.cli.security import Security

pytestmark = [pytest.mark.cluster, pytest.mark.timeout(400)]


@pytest.fixture(scope="module")
def security(tmp_path_factory: pytest.TempPathFactory) -> Security:
    """Certificates of a new authority, and a port for tunnels."""
    return Security(local_certificates("127.0.0.1", folder=tmp_path_factory.mktemp("tls")), free_ports(1)[0])


@pytest.fixture(scope="module")
def host(security: Security) -> Iterator[str]:
    """Name and port of a graph that speaks TLS."""
    with serving(security=security) as server:
        yield server.url.removeprefix("https://")


def test_the_printed_environment_is_enough(host: str, security: Security) -> None:
    """Pasting what is printed brings every call but uploads and tokens to the graph."""
    environment = announced(host, security.certificates.bundle, proxy=None)

    assert printed(CALLS.replace("{use_jwt}", "False"), environment) == ["3", "4", "5"]


def test_a_tunnel_brings_everything_here(host: str, security: Security) -> None:
    """By the proxy alone, uploads and tokens come, too, under fal's own names."""
    environment = announced(host, security.certificates.bundle, proxy=f"http://127.0.0.1:{security.tunnel_port}")
    words = printed(CALLS.replace("{use_jwt}", "True") + UPLOAD, environment)

    assert words == ["3", "4", "5", "https://v3.fal.media", "hello"]
