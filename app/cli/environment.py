"""The environment in which Ray is started: every switch that Ray reads at import, set on purpose."""

import socket
from pathlib import Path

from app.config import ServerSettings

ANY_ADDRESS = frozenset({"0.0.0.0", "::"})
LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def local_host(server: ServerSettings) -> str:
    """The server's host as this machine reaches it."""
    return "127.0.0.1" if server.host in ANY_ADDRESS else server.host


def local_url(server: ServerSettings, *, secure: bool = False) -> str:
    """The server's address as this machine reaches it."""
    return f"{'https' if secure else 'http'}://{local_host(server)}:{server.port}"


def ray_environment(server: ServerSettings, *, folder: Path, secure: bool = False) -> dict[str, str]:
    """Variables for the process that starts Ray; its sessions and HAProxy's files go below `folder`.

    A secure server has Ray's own proxy: the HAProxy that Ray configures speaks no TLS.
    """
    common = {
        # Unset, Ray decides by whether a token file happens to exist in the home folder.
        "RAY_AUTH_MODE": "disabled" if server.host in LOOPBACK else "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_TMPDIR": str(folder),
        # A busy machine needs longer than the default half minute.
        "RAY_raylet_start_wait_time_s": "240",
    }
    return common | (_haproxy(folder) if server.proxy == "haproxy" and not secure else {})


def _haproxy(folder: Path) -> dict[str, str]:
    metrics, stats, fallback_http, fallback_grpc = free_ports(4)
    return {
        "RAY_SERVE_ENABLE_HA_PROXY": "1",
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
        # Throughput mode alone leaves the hop from the proxy to the gateway on the slow transport.
        "RAY_SERVE_USE_GRPC_BY_DEFAULT": "1",
        # The defaults are fixed names: two servers on one machine would share them.
        "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
        "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
        "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
        "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
        "RAY_SERVE_HAPROXY_METRICS_PORT": str(metrics),
        "RAY_SERVE_HAPROXY_STATS_PORT": str(stats),
        "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(fallback_http),
        "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(fallback_grpc),
    }


def free_ports(count: int) -> list[int]:
    """Different TCP ports of this machine that nobody listens on now."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


def is_free(port: int) -> bool:
    """Whether a server could listen on that TCP port of this machine now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True
