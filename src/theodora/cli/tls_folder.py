"""A folder with a private authority and the certificate that it has signed last."""

import os
from datetime import datetime
from pathlib import Path

import click

from theodora.cli.tls_certificates import Certified, make_authority, make_server, read_authority

_AUTHORITY_NAME = "Theodora private authority"


def issue(folder: Path, names: list[str], now: datetime) -> Certified:
    """Writes a new certificate for host names or addresses, signed by the folder's authority."""
    authority = _authority(folder, now)
    try:
        server = make_server(authority, names, now)
    except ValueError as error:
        raise click.ClickException(f"cannot make a certificate: {error}") from error
    _write(folder, "server", server)
    return server


def _authority(folder: Path, now: datetime) -> Certified:
    """The folder's authority, created if needed."""
    certificate, key = (folder / file for file in ("authority.pem", "authority-key.pem"))
    if not certificate.exists() and not key.exists():
        authority = make_authority(_AUTHORITY_NAME, now)
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder, "authority", authority)
        return authority
    try:
        return read_authority(certificate.read_bytes(), key.read_bytes())
    except (OSError, ValueError) as error:
        raise click.ClickException(f"cannot use the authority in {folder}: {error}") from error


def _write(folder: Path, name: str, certified: Certified) -> None:
    """Writes certificate and key; the key can be read by its owner alone from the first byte."""
    (folder / f"{name}.pem").write_bytes(certified.certificate_pem)
    key = folder / f"{name}-key.pem"
    key.unlink(missing_ok=True)
    with os.fdopen(os.open(key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(certified.key_pem)
