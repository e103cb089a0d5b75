"""The environment that Ray is started with."""

from pathlib import Path
from socket import socket

import pytest

from app.cli.environment import free_ports, is_free, local_url, ray_environment
from app.config import ServerSettings


@pytest.mark.parametrize(("host", "mode"), [("127.0.0.1", "disabled"), ("localhost", "disabled"), ("0.0.0.0", "token")])
def test_authentication_is_always_explicit(host: str, mode: str, tmp_path: Path) -> None:
    """Ray's token authentication is off on loopback, on elsewhere, and never left to chance."""
    assert ray_environment(ServerSettings(host=host), folder=tmp_path)["RAY_AUTH_MODE"] == mode


def test_haproxy_mode(tmp_path: Path) -> None:
    """HAProxy brings throughput mode and gRPC with it, and keeps its files in the session's folder."""
    environment = ray_environment(ServerSettings(proxy="haproxy"), folder=tmp_path)

    switches = ("ENABLE_HA_PROXY", "THROUGHPUT_OPTIMIZED", "USE_GRPC_BY_DEFAULT")
    assert [environment[f"RAY_SERVE_{switch}"] for switch in switches] == ["1", "1", "1"]
    assert environment["RAY_SERVE_HAPROXY_SOCKET_PATH"].startswith(str(tmp_path))


def test_python_proxy(tmp_path: Path) -> None:
    """With the Python proxy no switch of Ray Serve is touched."""
    environment = ray_environment(ServerSettings(proxy="python"), folder=tmp_path)

    assert not [name for name in environment if name.startswith("RAY_SERVE_")]


@pytest.mark.parametrize(
    ("host", "url"), [("0.0.0.0", "http://127.0.0.1:8123"), ("192.0.2.7", "http://192.0.2.7:8123")]
)
def test_local_url(host: str, url: str) -> None:
    """A server that listens everywhere is reached on loopback."""
    assert local_url(ServerSettings(host=host, port=8123)) == url


def test_free_ports_differ_and_are_free() -> None:
    """Free ports are different, and a server can listen on each."""
    ports = free_ports(4)

    assert len(set(ports)) == 4
    assert all(is_free(port) for port in ports)


def test_taken_port_is_not_free() -> None:
    """A port on which somebody listens is not free."""
    with socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        assert not is_free(listener.getsockname()[1])
