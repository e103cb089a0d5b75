"""What `--tls` and `--tunnel-port` ask for, the same for a server in one process and for the whole graph."""

import ssl
from dataclasses import dataclass
from typing import Annotated

import typer
from rich.console import Console

from app.cli.announcement import announce_tls, fal_key
from app.cli.certificates import Certificates, local_certificates
from app.cli.environment import local_host
from app.config import DarkroomSettings
from app.errors import ConfigurationError

TlsOption = Annotated[
    bool, typer.Option("--tls", help="Serve https by a certificate authority of this machine, made once.")
]
TunnelOption = Annotated[
    int | None,
    typer.Option("--tunnel-port", help="With --tls: offer an HTTPS proxy there that leads fal's hosts here."),
]


@dataclass(frozen=True, slots=True)
class Security:
    """Certificates to serve with, and the port on which tunnels are offered, if any."""

    certificates: Certificates
    tunnel_port: int | None

    @property
    def arguments(self) -> list[str]:
        """The same on the command line of `deployments.serve`."""
        files = ["--certificate", str(self.certificates.certificate), "--key", str(self.certificates.key)]
        return files if self.tunnel_port is None else [*files, "--tunnel-port", str(self.tunnel_port)]

    @property
    def trust(self) -> ssl.SSLContext:
        """What a client of the server trusts."""
        return ssl.create_default_context(cafile=self.certificates.authority)


def security_of(settings: DarkroomSettings, *, tls: bool, tunnel_port: int | None) -> Security | None:
    """Certificates for the server where it is to have some; raises ConfigurationError for a tunnel without them."""
    if tls:
        return Security(local_certificates(settings.server.host), tunnel_port)
    if tunnel_port is not None:
        raise ConfigurationError("--tunnel-port needs --tls: what goes through a tunnel is encrypted")
    return None


def announce_security(settings: DarkroomSettings, security: Security, console: Console) -> None:
    """Print the environment in which an unchanged fal-client comes to the server."""
    port = security.tunnel_port
    announce_tls(
        f"{local_host(settings.server)}:{settings.server.port}",
        security.certificates.bundle,
        console,
        proxy=None if port is None else f"http://127.0.0.1:{port}",
        key=fal_key(settings),
    )
