"""`theodora tls`: certificates for a server without a public name."""

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from shlex import quote

import click

from theodora.cli.invocation import program
from theodora.cli.tls_certificates import Certified, make_authority, make_server, read_authority

_AUTHORITY_NAME = "Theodora private authority"

_NEXT = """\
The certificate is for {names} and ends on {until:%Y-%m-%d}; for another, do this again.

Start the server with it:
  {program} serve --tls-cert {certificate} --tls-key {key}

Let clients trust the authority {authority}:
  datadog-ci, TypeScript  NODE_EXTRA_CA_CERTS={authority}
  Python                  Configuration(ssl_ca_cert="{authority}")
  Go, Ruby, Rust          SSL_CERT_FILE={authority}
  Java                    keytool -importcert -cacerts -noprompt -alias theodora -file {authority}
  curl                    --cacert {authority}
datadog-ci only connects to https://api.$DD_SITE: the name api.dora.internal serves
DD_SITE=dora.internal, or DD_SITE=dora.internal:8443 with another port than 443.
"""


@click.group()
def tls() -> None:
    """Make certificates of your own; clients then have to trust their authority."""


@tls.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option(
    "--out",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=".theodora/tls",
    show_default=True,
    help="Folder to write the files to.",
)
def init(names: Sequence[str], folder: Path) -> None:
    """Make a private authority and a certificate for host names or addresses NAME.

    An authority that the folder holds already stays, so that clients go on trusting it, and
    signs the new certificate. Keep authority-key.pem to yourself: who has it can pose as any
    server to those clients.
    """
    now = datetime.now(UTC)
    authority = _authority(folder, now)
    try:
        server = make_server(authority, list(names), now)
    except ValueError as error:
        raise click.ClickException(f"cannot make a certificate: {error}") from error
    _write(folder, "server", server)
    click.echo(
        _NEXT.format(
            program=program(),
            names=", ".join(names),
            until=server.certificate.not_valid_after_utc,
            certificate=quote(str((folder / "server.pem").absolute())),
            key=quote(str((folder / "server-key.pem").absolute())),
            authority=quote(str((folder / "authority.pem").absolute())),
        ),
        nl=False,
    )


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
