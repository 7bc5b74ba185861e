"""The wiring of the server: the only module that knows every part."""

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from starlette.types import ASGIApp, Lifespan

from theodora import __version__
from theodora.config import Config, RateLimit
from theodora.errors import UnusableSetting
from theodora.git import MirrorStore, PackStore, backup_files, remove_folders
from theodora.notifications.worker import Notifier
from theodora.report.invocation import PLAIN, Invocation
from theodora.sources.datadog.forwarding import Forwarder
from theodora.sources.mirroring import Fetcher, Mirroring
from theodora.sources.webhooks.worker import InboxWorker
from theodora.storage import Organisation, SessionLimits, Store
from theodora.storage.access.audit_worker import AuditWorker
from theodora.storage.access.key_secrets import KeyKind, new_secret
from theodora.storage.access.key_usage import ReceptionWriter
from theodora.storage.access.keys import PERMISSIONS_OF
from theodora.storage.access.role_mapping import read_role_mapping
from theodora.storage.backup.backup import BackupSource, GitFile
from theodora.storage.backup.rotation import BackupFolder, BackupWorker
from theodora.storage.deletion_guards import Guards
from theodora.storage.derivation.worker import Deriver
from theodora.storage.engine.actor import Actor
from theodora.storage.engine.worker import Worker
from theodora.storage.events.usage import Quotas
from theodora.storage.metrics.column_files import remove_column_file
from theodora.storage.metrics.saver_worker import SaverWorker
from theodora.storage.open import default_columns_folder, default_git_folder
from theodora.storage.organisations import LASTING
from theodora.storage.remover import Remover
from theodora.web.api.security_contact import SecurityContact
from theodora.web.application import make_application
from theodora.web.http.endpoint import ServerContext
from theodora.web.http.listeners import Listeners
from theodora.web.http.observe import ServerMetrics
from theodora.web.http.rate_limit import Bucket, Limit, RateLimiter
from theodora.web.http.telemetry import Telemetry
from theodora.web.http.threads import run_while_awaited
from theodora.web.http.turns import FairThreads
from theodora.web.oidc.client import ProviderClient, SignInProviders
from theodora.web.oidc.provider import IdentityProvider, provider_problems
from theodora.web.oidc.provider_file import read_providers
from theodora.web.pages.routes import PAGES
from theodora.web.pages.shell.health_badge import HealthMonitor
from theodora.web.pages.shell.proxy_sign_in import ProxySettings, ProxySignIn
from theodora.web.pages.shell.recent_sessions import RecentSessions
from theodora.web.pages.shell.request import Dashboard
from theodora.web.pages.shell.sign_in_lockout import Lockout

_START = Actor("command", "serve")
"""The actor of what a server writes when it starts."""

_MINUTE_NS = 60 * 1_000_000_000

THREADS = 8
"""Requests that wait for the database at one time, half of them of one organisation if no other
asks. Python lets only one of them compute, and each takes up to 5 ms before the next one's turn."""
RESERVE = 16
"""As many more, for organisations that have no thread while others use all of those."""

DOWNLOAD_THREADS = 2
DOWNLOAD_RESERVE = 4
"""Downloads that compute their next rows at one time: one of an organisation. Python lets only one
compute anyway, and the others would compete with the event loop for it."""

COMPUTING_THREADS = 4
COMPUTING_RESERVE = 4
"""Metrics and previews that are computed at one time, two of one organisation if no other asks:
more would be no faster, and would compete with lists for the interpreter."""

_WORKERS_STOP_SECONDS = 5.0

_SIGN_IN_THREADS = 8
"""Questions to sign-in providers at one time, half of them to one if no other is asked."""


@dataclass(frozen=True, slots=True)
class Built:
    """A server ready to run, with the new keys that its operator must see."""

    application: ASGIApp
    """The end of its lifespan closes the store."""
    metrics: ServerMetrics
    store: Store
    organisation: Organisation
    new_keys: Mapping[KeyKind, str]
    """Keys made just now because there were none; they are shown nowhere else."""
    end_streams: Callable[[], None]
    """For the event loop once the server stops: ends the answers that would go on by themselves."""


def build(config: Config, invocation: Invocation = PLAIN) -> Built:
    """Opens the store, makes sure of keys, and puts the ASGI application together.

    `invocation` is how commands are typed that pages show.
    """
    metrics = ServerMetrics()
    telemetry = Telemetry(config.otlp_endpoint) if config.otlp_endpoint else None
    providers, proxy = sign_in_ways(config), proxy_sign_in(config)
    derivation_due = threading.Event()
    store = _open_store(config, metrics, derivation_due)
    services = _server_context(config, store)
    dashboard = _dashboard(config, services, providers, proxy, invocation)
    application = make_application(
        services,
        dashboard,
        metrics,
        _lifespan(services, _workers(config, store, derivation_due), telemetry),
        security=SecurityContact(config.security_contact, config.public_url),
        log_requests=config.log_requests,
        record=telemetry.record if telemetry else None,
        prefix_is_stripped=config.path_prefix_stripped,
    )
    new_keys = _ensure_keys(store, config)
    org = store.keys.organisation(LASTING)
    return Built(application, metrics, store, org, new_keys, dashboard.listeners.close)


def _open_store(config: Config, metrics: ServerMetrics, derivation_due: threading.Event) -> Store:
    """The store, whose commits are counted and set `derivation_due`."""

    def note_commit(writes: int) -> None:
        metrics.group_size.observe(writes)
        derivation_due.set()

    store = Store(
        config.database,
        on_commit=note_commit,
        read_url=config.read_database_url,
        metrics_memory_mib=config.metrics_memory_mib,
        columns_folder=columns_folder(config),
        guards=guards_of(config),
        quotas=Quotas(config.quota_events, config.quota_bytes, config.quota_repositories),
    )
    metrics.register_callbacks(
        lambda: store.waiting_writes,
        store.derivations.count_parked,
        store.retention.count_refusals,
        {"deployment": store.deployments.count, "failure": store.failures.count},
        lambda: store.replica,
        store.forwarding.totals,
    )
    return store


def _server_context(config: Config, store: Store) -> ServerContext:
    return ServerContext(
        store=store,
        packs=PackStore(git_folder(config)),
        limiter=RateLimiter(_limits(config)),
        threads=FairThreads(THREADS, "handler", keeps_some_free=True, reserve=RESERVE),
        uploads=FairThreads(config.upload_threads, "upload", keeps_some_free=False),
        downloads=FairThreads(
            DOWNLOAD_THREADS, "download", keeps_some_free=True, reserve=DOWNLOAD_RESERVE
        ),
        computing=FairThreads(
            COMPUTING_THREADS, "computing", keeps_some_free=True, reserve=COMPUTING_RESERVE
        ),
        sign_ins=FairThreads(_SIGN_IN_THREADS, "sign-in", keeps_some_free=True),
        timestamps=config.timestamps,
        prometheus_groups=config.prometheus_groups,
        badges=config.badges,
        max_json_bytes=config.max_json_bytes,
        max_multipart_bytes=config.max_multipart_bytes,
        read_seconds=config.read_seconds,
    )


def _dashboard(
    config: Config,
    services: ServerContext,
    providers: SignInProviders,
    proxy: ProxySignIn | None,
    invocation: Invocation,
) -> Dashboard:
    return Dashboard(
        services,
        PAGES,
        path_prefix=config.path_prefix,
        limits=session_limits(config),
        lockout=Lockout(),
        watch=HealthMonitor(),
        recent_sessions=RecentSessions(),
        invocation=invocation,
        providers=providers,
        proxy=proxy,
        share_links=config.share_links,
        listeners=Listeners(partial(_newest_change, services)),
    )


async def _newest_change(services: ServerContext, org: Organisation) -> int:
    nobody_leaves: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    read = services.store.metrics.newest_change
    executor = services.threads.of(org.key)
    return await run_while_awaited(nobody_leaves, executor, services.read_seconds, read, org)


def session_limits(config: Config) -> SessionLimits:
    return SessionLimits(
        idle_ns=config.session_idle_minutes * _MINUTE_NS,
        absolute_ns=config.session_max_hours * 60 * _MINUTE_NS,
    )


def sign_in_ways(config: Config) -> SignInProviders:
    """Who signs people in. Raises `UnusableSetting`, with a line for each problem."""
    url = config.public_url + config.path_prefix
    return SignInProviders(_providers(config), url, takes_keys=config.key_sign_in)


def _providers(config: Config) -> dict[str, ProviderClient]:
    """The providers of OpenID Connect, by name. Raises `UnusableSetting`, a line each problem."""
    providers: list[IdentityProvider] = []
    problems: list[str] = []
    if config.oidc_issuer:
        try:
            providers.append(_provider_of_settings(config))
            problems += [f"oidc_{problem}" for problem in provider_problems(providers[0])]
        except UnusableSetting as error:
            problems.append(f"oidc_roles: {error}")
    elif config.oidc_client_id or config.oidc_client_secret:
        problems.append("oidc_client_id and oidc_client_secret need oidc_issuer")
    if config.oidc_providers:
        providers += read_providers(Path(config.oidc_providers))
    if providers and not config.public_url:
        problems.append("sign-in with OpenID Connect needs public_url")
    if len({provider.name for provider in providers}) < len(providers):
        problems.append(f"oidc_providers: the name {providers[0].name} is that of oidc_issuer")
    of_issuer: dict[str, str] = {}
    for provider in providers:
        # A person is known by issuer and subject, so the roles of both would take turns.
        other = of_issuer.setdefault(provider.issuer, provider.name)
        if other != provider.name:
            problems.append(f"oidc_providers: {other} and {provider.name} have the same issuer")
    if not (providers or config.auth_proxy_user_header or config.key_sign_in):
        problems.append("key_sign_in: nobody could sign in without a sign-in provider or proxy")
    if problems:
        raise UnusableSetting("\n".join(problems))
    return {provider.name: ProviderClient(provider) for provider in providers}


def proxy_sign_in(config: Config) -> ProxySignIn | None:
    """Signing in by headers, where a setting names one; raises `UnusableSetting`."""
    if not config.auth_proxy_user_header:
        return None
    settings = ProxySettings(
        proxies=config.trusted_proxies,
        user_header=config.auth_proxy_user_header,
        name_header=config.auth_proxy_name_header,
        email_header=config.auth_proxy_email_header,
        groups_header=config.auth_proxy_groups_header,
        roles=read_role_mapping(config.auth_proxy_roles, LASTING),
        may_sign_up=config.auth_proxy_sign_up == "create",
    )
    return ProxySignIn(settings)


def _provider_of_settings(config: Config) -> IdentityProvider:
    return IdentityProvider(
        name="oidc",
        label=config.oidc_label,
        issuer=config.oidc_issuer,
        client_id=config.oidc_client_id,
        client_secret=config.oidc_client_secret,
        scopes=config.oidc_scopes,
        groups_claim=config.oidc_groups_claim,
        name_claim=config.oidc_name_claim,
        roles=read_role_mapping(config.oidc_roles, LASTING),
        may_sign_up=config.oidc_sign_up == "create",
        http_on_loopback=config.oidc_http_on_loopback,
    )


def _workers(config: Config, store: Store, derivation_due: threading.Event) -> list[Worker]:
    """The background threads that settings ask for, in the order in which they start."""
    mirrors = mirror_store(config)
    fetcher = Fetcher(
        store, Mirroring(store, mirrors, Actor("worker", "fetcher")), config.git_fetch_minutes * 60
    )
    workers: list[Worker] = []
    if columns_folder(config):
        workers.append(SaverWorker(store.metrics))
    if config.derive:
        remove_folders = partial(remove_files, config)
        remover = Remover(
            store.retention,
            store.organisations,
            store.share_links,
            store.sessions,
            session_limits(config),
            remove_folders,
        )
        want = fetcher.want if config.git_fetch_on_demand else _ignore
        workers += [Deriver(store.derivations, derivation_due, want), remover]
        workers += [InboxWorker(store, config.inbox_days), Forwarder(store)]
        url = config.public_url + config.path_prefix if config.public_url else ""
        workers.append(Notifier(store, url))
        workers.append(AuditWorker(store.audit, config.audit_retention_days))
    if config.git_fetch_minutes or config.git_fetch_on_demand:
        workers.append(fetcher)
    if config.backup_to:
        folder = BackupFolder(Path(config.backup_to), config.backup_keep)
        source = partial(source_of, config)
        workers.append(BackupWorker(folder, config.backup_every, source, Actor("worker", "backup")))
    return workers


def _lifespan(
    services: ServerContext, workers: Sequence[Worker], telemetry: Telemetry | None
) -> Lifespan[Any]:
    """Starts the background threads; at the end stops them and closes the store."""
    store = services.store
    reception = ReceptionWriter(store.reception)

    @asynccontextmanager
    async def lifespan(_: object) -> AsyncGenerator[None]:
        # The thread of the event loop: what takes longer is handed to a thread.
        store.answer_briefly()
        for worker in (*workers, reception):
            worker.start()
        yield
        _stop(workers)
        # Only the provider that they ask would be waited for.
        services.sign_ins.shutdown(wait=False)
        services.uploads.shutdown()
        services.downloads.shutdown()
        services.computing.shutdown()
        services.threads.shutdown()
        # After the last request that they could count.
        if telemetry:
            telemetry.close()
        reception.stop()
        store.close()

    return lifespan


def _stop(workers: Sequence[Worker]) -> None:
    """Stops all at the same time, the last one first; waits for each, for some seconds in all."""
    for worker in reversed(workers):
        worker.stop(0)
    until_sec = time.monotonic() + _WORKERS_STOP_SECONDS
    for worker in reversed(workers):
        worker.stop(max(0, until_sec - time.monotonic()))


def _ignore(_org: Organisation, _repository_id: str) -> None:
    """Replaces fetching on demand where that is switched off."""


def _ensure_keys(store: Store, config: Config) -> dict[KeyKind, str]:
    """Makes the keys that settings name; on a store without keys, also new ones."""
    now_ns = time.time_ns()
    store.keys.ensure_organisation(LASTING, now_ns, actor=_START).result()
    bootstrap: dict[KeyKind, str] = {
        "api": config.bootstrap_api_key,
        "application": config.bootstrap_app_key,
    }
    is_first_start = not store.keys.exist()
    new_keys: dict[KeyKind, str] = {}
    for kind, secret in bootstrap.items():
        if not secret and is_first_start:
            new_keys[kind] = new_secret(kind)
        if secret or is_first_start:
            store.keys.add(
                LASTING,
                kind,
                secret or new_keys[kind],
                name="bootstrap" if secret else "first start",
                permissions=frozenset(PERMISSIONS_OF[kind]),
                now_ns=now_ns,
                actor=_START,
            ).result()
    return new_keys


def guards_of(config: Config) -> Guards:
    """The checks before events and organisations are deleted."""
    return Guards(
        max_percent=config.retention_max_percent,
        clock_days=config.retention_clock_days,
        delay_hours=config.deletion_delay_hours,
        organisation_days=config.organisation_deletion_days,
    )


def source_of(config: Config) -> BackupSource:
    """The contents of a backup: the database and the folder of packs and mirrors."""
    files = (GitFile(name, path) for name, path in backup_files(git_folder(config)))
    return BackupSource(config.database, files, __version__)


def mirror_store(config: Config) -> MirrorStore:
    return MirrorStore(git_folder(config), config.git_credential_helper, config.git_mirror_mib)


def git_folder(config: Config) -> Path:
    """The folder of packs and mirrors: the setting's, else the one beside the database."""
    if config.git_folder:
        return Path(config.git_folder)
    return default_git_folder(config.database)


def columns_folder(config: Config) -> Path | None:
    """The folder of event columns in files: the setting's, else the one beside the database."""
    if config.metrics_folder == "no":
        return None
    if config.metrics_folder:
        return Path(config.metrics_folder)
    return default_columns_folder(config.database)


def remove_files(config: Config, uuid: str) -> None:
    """Removes the files of an organisation that is gone."""
    remove_folders(git_folder(config), uuid)
    folder = columns_folder(config)
    if folder:
        remove_column_file(folder, uuid)


def _limits(config: Config) -> dict[Bucket, Limit]:
    settings: dict[Bucket, RateLimit] = {
        "dora_ingest": config.rate_limit_dora_ingest,
        "dora_read": config.rate_limit_dora_read,
        "dora_write": config.rate_limit_dora_write,
        "unauthenticated": config.rate_limit_unauthenticated,
    }
    return {
        bucket: Limit(bucket, setting.requests, setting.seconds)
        for bucket, setting in settings.items()
    }
