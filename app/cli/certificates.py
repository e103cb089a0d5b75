"""A certificate authority of this machine: made once, trusted by those who are told to, known to nobody else."""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

import certifi
import trustme

from app.api.fal.hosts import FAL_HOSTS
from app.errors import ConfigurationError

HOME = Path("~/.cache/darkroom/tls")
_LOCAL = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True)
class Certificates:
    """Files for one server: its certificate and key, and what its clients trust.

    `bundle` holds our authority beside the usual ones, because clients replace those with the file they are given.
    """

    certificate: Path
    key: Path
    authority: Path
    bundle: Path


def local_certificates(host: str, *, folder: Path = HOME) -> Certificates:
    """Certificates for a server at `host`, under this machine's names and fal's, by the authority in the folder.

    The authority is made when there is none; keys are readable for their owner alone. Raises ConfigurationError
    when what lies in the folder is no authority.
    """
    folder = folder.expanduser()
    folder.mkdir(parents=True, exist_ok=True)
    authority = _authority(folder)
    leaf = authority.issue_cert(*dict.fromkeys((*_LOCAL, host, *sorted(FAL_HOSTS))))
    files = Certificates(folder / "server.pem", folder / "server.key", folder / "ca.pem", folder / "bundle.pem")
    _write(files.certificate, b"".join(pem.bytes() for pem in leaf.cert_chain_pems))
    _write(files.key, leaf.private_key_pem.bytes())
    _write(files.authority, authority.cert_pem.bytes())
    _write(files.bundle, Path(certifi.where()).read_bytes() + b"\n" + authority.cert_pem.bytes())
    return files


def _authority(folder: Path) -> trustme.CA:
    certificate, key = folder / "ca.pem", folder / "ca.key"
    if not (certificate.exists() and key.exists()):
        made = trustme.CA(organization_name="Darkroom", organization_unit_name="this machine only")
        _write(key, made.private_key_pem.bytes())
        _write(certificate, made.cert_pem.bytes())
        return made
    try:
        return trustme.CA.from_pem(certificate.read_bytes(), key.read_bytes())
    except ValueError as error:
        raise ConfigurationError(f"{folder}: not a certificate authority; remove it, and it is made anew") from error


def _write(path: Path, data: bytes) -> None:
    """Replace the file at once, readable for its owner alone."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
    os.replace(draft, path)
