"""`theodora serve`: start the server."""

import gc
import os
import signal
import socket
import ssl
import sys
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from shlex import quote
from urllib.parse import urlsplit

import click

from theodora import __version__
from theodora.app import Built, build
from theodora.cli.demo import load_demo
from theodora.cli.garbage import collect_seldom
from theodora.cli.invocation import invocation, serve_again
from theodora.cli.logs import configure_logs
from theodora.cli.options import config_from, setting_options
from theodora.cli.workers import Workers
from theodora.config import Config, check_names
from theodora.errors import UnusableSetting
from theodora.report.invocation import Invocation, datadog_site
from theodora.storage.access.key_secrets import KeyKind
from theodora.storage.open import is_postgresql
from theodora.web.connections.limits import Alarm, Limits
from theodora.web.connections.server import Options, Server

_TRY = """
Try it:

  Dashboard, signed in: {url}/sign-in#key={application}

  curl -X POST {url}/api/v2/dora/deployments \\
    -H "DD-API-KEY: {api}" \\
    -H "DD-APPLICATION-KEY: {application}" \\
    -H "Content-Type: application/json" -d '{{"data": {{"type": "dora_deployments_list_request",
      "attributes": {{"query": "service:web is:production"}}}}}}'

  Python: Configuration(host="{url}",
    api_key={{"apiKeyAuth": "{api}", "appKeyAuth": "{application}"}})

  datadog-ci{how}:
    DD_API_KEY={api} DD_SITE={site}{trust} \\
    datadog-ci dora deployment --skip-git --service web --env production --started-at "$(date +%s)"

Commands work beside the server, in this folder:

  {command} search service:web is:production
  {command} metrics --query is:production --group-by service
  {program} --help
"""

_OVER_HTTPS = """, which only connects to https://api.$DD_SITE: make a certificate and start with it
    {program} tls init {name}
    {serve_https}
  then, where {name} leads to this server"""


@click.command()
@setting_options()
@click.option("--demo", is_flag=True, help="Load made-up history if there are no events yet.")
def serve(demo: bool, **flags: str | None) -> None:
    """Start the server.

    The first start on an empty database makes an organisation, an API key and an application
    key and prints the keys, once. SIGTERM stops the server after it has finished what it
    accepted.
    """
    check_names(os.environ)
    config = config_from(flags)
    configure_logs(config)
    _check_tls(config)
    _check_workers(config)
    _end_well_when_asked()
    with _listening(config.host, config.port) as listener:
        url = _url(config, listener.getsockname()[1])
        called = invocation(config.database)
        built = build(config, called)
        known_keys: dict[KeyKind, str] = {**_bootstrap_keys(config), **built.new_keys}
        if demo and not built.store.deployments.count():
            load_demo(built.store, built.organisation)

        def announce() -> None:
            _announce(url, built.new_keys)
            if demo:
                _show_what_to_try(config, url, known_keys, called)

        if config.workers == 1:
            _serve(config, built, listener, announce)
        else:
            # The database is ready and has keys; the workers open it for themselves.
            built.store.close()
            workers = Workers(_work, config, listener, config.workers, config.stop_seconds)
            workers.run(announce)


def _work(config: Config, listener: socket.socket, ready: Connection) -> None:
    """One of several processes that serve the same socket."""
    configure_logs(config)
    _end_well_when_asked()
    built = build(config, invocation(config.database))
    _serve(config, built, listener, lambda: ready.send("ready"))


def _serve(
    config: Config, built: Built, listener: socket.socket, announce: Callable[[], None]
) -> None:
    alarm = Alarm(built.metrics.count_limit)
    collect_seldom("server")
    # Never among what the server has started with: that held all requests up for 70 ms.
    gc.freeze()
    server = Server(built.application, _options(config), alarm, announce, built.end_streams)
    server.run(sockets=[listener])


def _options(config: Config) -> Options:
    limits = Limits(
        head_bytes=config.max_header_bytes,
        head_seconds=config.header_seconds,
        idle_seconds=config.idle_seconds,
        stall_seconds=config.stall_seconds,
        least_bytes_per_second=config.min_bytes_per_second,
        unread_body_bytes=max(config.max_json_bytes, config.max_multipart_bytes),
    )
    return Options(
        limits=limits,
        max_connections=config.max_connections,
        max_connections_per_address=config.max_connections_per_address,
        grace_seconds=config.stop_seconds,
        trusted_proxies=config.trusted_proxies,
        tls_cert=config.tls_cert,
        tls_key=config.tls_key,
    )


def _end_well_when_asked() -> None:
    """Makes a process that is stopped by a signal exit with status 0.

    The HTTP server raises the signal again once it has finished what it accepted.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _, __: sys.exit(0))


def _check_workers(config: Config) -> None:
    """Raises `UnusableSetting` where several processes would gain nothing."""
    if config.workers > 1 and not is_postgresql(config.database):
        raise UnusableSetting(
            "a SQLite file is served by one process: a second one gains nothing; "
            "use PostgreSQL for more workers"
        )


def _check_tls(config: Config) -> None:
    """Raises `UnusableSetting` for a certificate and key that cannot be used."""
    if bool(config.tls_cert) != bool(config.tls_key):
        raise UnusableSetting("tls_cert and tls_key must be given together")
    if not config.tls_cert:
        return
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(
            config.tls_cert, config.tls_key
        )
    except OSError as error:  # Among them ssl.SSLError.
        raise UnusableSetting(
            f"cannot use certificate {config.tls_cert} with key {config.tls_key}: {error}"
        ) from error


def _url(config: Config, port: int) -> str:
    scheme = "https" if config.tls_cert else "http"
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"{scheme}://{host}:{port}{config.path_prefix}"


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise UnusableSetting(
            f"cannot listen on {host} port {port}: {error.strerror}; choose another: "
            f"{serve_again(f'--port {port + 1}', without='--port')}"
        ) from error
    return listener


def _announce(url: str, new_keys: Mapping[KeyKind, str]) -> None:
    click.echo(f"Theodora {__version__} is listening on {url}")
    click.echo(f"Dashboard: {url}/")
    if new_keys:
        click.echo("New keys, shown this once:")
    for kind, secret in new_keys.items():
        click.echo(f"  {kind} key: {secret}")


def _show_what_to_try(
    config: Config, url: str, keys: Mapping[KeyKind, str], called: Invocation
) -> None:
    shown = {kind: keys.get(kind, f"YOUR_{kind.upper()}_KEY") for kind in ("api", "application")}
    certificate = Path(config.tls_cert) if config.tls_cert else Path(".theodora/tls/server.pem")
    authority = certificate.with_name("authority.pem")
    site = datadog_site(urlsplit(url))
    name = f"api.{site.partition('/')[0].partition(':')[0]}"
    has_authority = not config.tls_cert or authority.exists()
    click.echo(
        _TRY.format(
            url=url,
            site=site,
            trust=f" NODE_EXTRA_CA_CERTS={quote(str(authority))}" if has_authority else "",
            how="" if config.tls_cert else _OVER_HTTPS.format(name=name, **called._asdict()),
            **shown,
            **called._asdict(),
        )
    )


def _bootstrap_keys(config: Config) -> dict[KeyKind, str]:
    keys: dict[KeyKind, str] = {
        "api": config.bootstrap_api_key,
        "application": config.bootstrap_app_key,
    }
    return {kind: secret for kind, secret in keys.items() if secret}
