"""`theodora tls`: certificates for a server without a public name."""

from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from shlex import quote

import click

from theodora.cli.invocation import program

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
    """Create your own certificates; clients then have to trust their authority."""


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
    """Create a private authority and a certificate for host names or addresses NAME.

    An existing authority in the folder is kept and signs the new certificate, so that clients
    still trust it. Keep authority-key.pem secret: with it, anyone can pose as any server to those
    clients.
    """
    if find_spec("cryptography") is None:
        raise click.ClickException(
            'Certificates need cryptography, which is not installed: pip install "theodora[tls]"'
        )
    from theodora.cli.tls_folder import issue  # noqa: PLC0415 - it is large, and optional

    server = issue(folder, list(names), datetime.now(UTC))
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
