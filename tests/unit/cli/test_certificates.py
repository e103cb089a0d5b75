"""The certificate authority of one machine."""

import ssl
import stat
from pathlib import Path

import pytest

from app.cli.certificates import Certificates, local_certificates
from app.errors import ConfigurationError


def handshake(certificates: Certificates, name: str, *, trusted: Path) -> None:
    """A TLS handshake in memory with a server that is called by that name; raises ssl.SSLError."""
    server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.load_cert_chain(certificates.certificate, certificates.key)
    client = ssl.create_default_context(cafile=str(trusted))
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    near = client.wrap_bio(down, up, server_hostname=name)
    far = server.wrap_bio(up, down, server_side=True)
    for _ in range(3):
        for side in (near, far):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "192.0.2.7", "fal.run", "queue.fal.run", "v3.fal.media"])
def test_a_client_that_trusts_the_bundle_believes_every_name(tmp_path: Path, name: str) -> None:
    """The server has this machine's names, its own address, and fal's names."""
    certificates = local_certificates("192.0.2.7", folder=tmp_path)

    for trusted in (certificates.bundle, certificates.authority):
        handshake(certificates, name, trusted=trusted)


def test_other_names_are_not_believed(tmp_path: Path) -> None:
    """The certificate is for nobody else."""
    certificates = local_certificates("localhost", folder=tmp_path)

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(certificates, "example.com", trusted=certificates.bundle)


def test_the_authority_stays(tmp_path: Path) -> None:
    """A client that trusted it before trusts the certificate of the next start."""
    before = local_certificates("localhost", folder=tmp_path).authority.read_bytes()
    (tmp_path / "before.pem").write_bytes(before)
    certificates = local_certificates("localhost", folder=tmp_path)

    handshake(certificates, "localhost", trusted=tmp_path / "before.pem")


def test_another_machine_is_not_trusted(tmp_path: Path) -> None:
    """Each authority is known to nobody else."""
    ours, theirs = (local_certificates("localhost", folder=tmp_path / name) for name in ("ours", "theirs"))

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(theirs, "localhost", trusted=ours.bundle)


def test_the_bundle_keeps_the_usual_authorities(tmp_path: Path) -> None:
    """A client that is given the bundle still reaches the internet."""
    bundle = local_certificates("localhost", folder=tmp_path).bundle.read_text(encoding="utf-8")

    assert bundle.count("BEGIN CERTIFICATE") > 50


def test_keys_are_for_their_owner_alone(tmp_path: Path) -> None:
    """Nobody else can make certificates, or pretend to be the server."""
    local_certificates("localhost", folder=tmp_path)

    assert {stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("ca.key", "server.key")} == {0o600}


def test_a_broken_authority_is_said_to_be(tmp_path: Path) -> None:
    """What cannot be read is not silently replaced, because clients may trust it."""
    (tmp_path / "ca.pem").write_text("x")
    (tmp_path / "ca.key").write_text("x")

    with pytest.raises(ConfigurationError):
        local_certificates("localhost", folder=tmp_path)
