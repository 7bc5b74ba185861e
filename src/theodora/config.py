"""One table of settings: each is a flag of `theodora serve` and a variable THEODORA_<NAME>.

A flag wins over the environment, the environment over the default. A secret may also come
from a file, named by THEODORA_<NAME>_FILE, and has no flag: command lines are public.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal, NamedTuple
from urllib.parse import urlsplit

from theodora.errors import UnusableSetting

Timestamps = Literal["auto", "unix_ns", "rfc3339"]
LoggedRequests = Literal["all", "failed", "none"]
LogFormat = Literal["auto", "json", "text"]
SignUp = Literal["create", "refuse"]


class RateLimit(NamedTuple):
    """At most `requests` in each window of `seconds`."""

    requests: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.requests}/{self.seconds}"


_DIGITS = re.compile(r"[0-9]{1,12}")
_PREFIX = re.compile(r"[A-Za-z0-9._~/-]*")
_SHORTEST_KEY = 32
"""As long as the API keys that the server makes; shorter ones can be guessed."""
_MAKE_SERVE = "THEODORA_MAKE_SERVE"
_OF_TESTS = "THEODORA_TEST_"


def _text(text: str) -> str:
    if not text.isprintable():
        raise ValueError
    return text


def _host(text: str) -> str:
    if not _text(text) or " " in text:
        raise ValueError(text)
    return text


def _key(text: str) -> str:
    is_sendable = text.isascii() and text.isprintable() and text == text.strip()
    if text and not (is_sendable and len(text) >= _SHORTEST_KEY):
        raise ValueError
    return text


def _url(text: str) -> str:
    if text and not text.startswith(("http://", "https://")):
        raise ValueError
    return text


def _origin(text: str) -> str:
    """A scheme, a host and maybe a port; the URL that browsers open begins so."""
    parts = urlsplit(text)
    is_origin = parts.scheme in {"http", "https"} and parts.hostname
    if text and (not is_origin or text.rstrip("/") != f"{parts.scheme}://{parts.netloc}"):
        raise ValueError
    if "@" in text or not text.isascii() or not text.isprintable() or (text and parts.port == 0):
        raise ValueError
    return text.rstrip("/")


def _words(text: str) -> tuple[str, ...]:
    return tuple(_text(text).split())


def _badges(text: str) -> tuple[tuple[str, str], ...]:
    """Organisations and their tokens."""
    pairs = [part.strip().rpartition("=") for part in text.split(",") if part.strip()]
    if any(not org or len(token) < _SHORTEST_KEY or not _key(token) for org, _, token in pairs):
        raise ValueError
    return tuple((org, token) for org, _, token in pairs)


_CONTACT = re.compile(r"mailto:[!-?A-~]+@[!-~]+|https://[A-Za-z0-9\[][!-~]*")


def _contact(text: str) -> str:
    if text and not _CONTACT.fullmatch(text):
        raise ValueError
    return text


_HEADER = re.compile(r"[A-Za-z0-9-]*")


def _header(text: str) -> str:
    if not _HEADER.fullmatch(text):
        raise ValueError
    return text.lower()


@dataclass(frozen=True, slots=True)
class _Integer:
    """Reads a whole number within bounds."""

    least: int
    most: int

    def __call__(self, text: str) -> int:
        number = int(text) if _DIGITS.fullmatch(text) else None
        if number is None or not self.least <= number <= self.most:
            raise ValueError(text)
        return number


def _switch(text: str) -> bool:
    return {"yes": True, "no": False}[text.lower()]


def _prefix(text: str) -> str:
    if not _PREFIX.fullmatch(text):
        raise ValueError(text)
    trimmed = text.strip("/")
    return f"/{trimmed}" if trimmed else ""


ANYONE = "*"
_CONSENT = "anyone-may-lie"


def _proxies(text: str) -> tuple[str, ...]:
    proxies = tuple(proxy.strip() for proxy in text.split(",") if proxy.strip())
    if ANYONE in proxies:
        if sorted(proxies) != [ANYONE, _CONSENT]:
            raise UnusableSetting(
                f"{ANYONE} believes the address that anyone writes: name the addresses or networks "
                "of your proxies, or, if nobody else can reach this server, write "
                f"{ANYONE},{_CONSENT}"
            )
        return (ANYONE,)
    for proxy in proxies:
        ip_network(proxy)
    return proxies


def _rate_limit(text: str) -> RateLimit:
    requests, _, seconds = text.partition("/")
    limit = RateLimit(int(requests), int(seconds))
    if limit.requests < 1 or limit.seconds < 1:
        raise ValueError(text)
    return limit


_UNIT_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}


def duration_seconds(text: str) -> int:
    """A number and s, m, h or d, such as `6h`; raises `ValueError` or `KeyError` for others."""
    seconds = int(text[:-1]) * _UNIT_SECONDS[text[-1:]]
    if seconds < 1:
        raise ValueError(text)
    return seconds


def _one_of(*choices: str) -> Callable[[str], str]:
    def choose(text: str) -> str:
        return choices[choices.index(text)]

    choose.__doc__ = f"one of {' '.join(choices)}"
    return choose


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the table."""

    name: str
    parse: Callable[[str], Any]
    form: str
    """What a value looks like, for help and for errors."""
    default: str
    help: str
    secret: bool = False

    @property
    def variable(self) -> str:
        return f"THEODORA_{self.name.upper()}"

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"

    @property
    def metavar(self) -> str:
        return self.name.rpartition("_")[2].upper()

    def read(self, text: str, origin: str) -> Any:
        """The value of `text`; `origin` names where it came from, for errors."""
        try:
            return self.parse(text)
        except UnusableSetting as error:
            raise UnusableSetting(f"{origin}: {error}") from None
        except (ValueError, KeyError):
            # The URL of a database may hold a password.
            is_shown = not self.secret and "database" not in self.name
            shown = f'"{_shown(text)}"' if is_shown else "the value"
            raise UnusableSetting(f"{origin}: {shown} must be {self.form}") from None


_LIMIT_FORM = "requests/seconds, for example 6000/60"

SETTINGS: tuple[Setting, ...] = (
    Setting("host", _host, "an address", "127.0.0.1", "Address to listen on."),
    Setting(
        "port",
        _Integer(0, 65535),
        "a whole number from 0 to 65,535",
        "8080",
        "Port to listen on; 0 takes a free one.",
    ),
    Setting(
        "database",
        _text,
        "sqlite:///relative.db, sqlite:////absolute.db or postgresql://user@host/name",
        "sqlite:///theodora.db",
        "The database. The default is .theodora/theodora.db instead where make serve has created "
        "it.",
    ),
    Setting(
        "read_database_url",
        _text,
        "postgresql://user@host/name",
        "",
        "A replica of a PostgreSQL database, to answer reads; see docs/postgresql.md.",
    ),
    Setting(
        "workers",
        _Integer(1, 256),
        "a whole number from 1 to 256",
        "1",
        "Processes that serve together, on PostgreSQL alone; each counts requests and failed "
        "sign-ins for its limits by itself.",
    ),
    Setting(
        "tls_cert",
        _text,
        "a file",
        "",
        "Certificate, with its chain, in PEM; with it the server speaks https.",
    ),
    Setting("tls_key", _text, "a file", "", "The certificate's private key, in PEM."),
    Setting(
        "derive",
        _switch,
        "yes or no",
        "yes",
        "Whether this server derives lead times and change failures in the background.",
    ),
    Setting(
        "path_prefix",
        _prefix,
        "a path",
        "",
        "Path beneath which everything is served; see docs/proxies.md.",
    ),
    Setting(
        "path_prefix_stripped",
        _switch,
        "yes or no",
        "no",
        "Whether a proxy removes the path prefix before it passes a request on.",
    ),
    Setting(
        "public_url",
        _origin,
        "a URL without a path, for example https://dora.example.org",
        "",
        "URL at which browsers find this server, without the path prefix; sign-in providers send "
        "people back to it.",
    ),
    Setting(
        "security_contact",
        _contact,
        "mailto: and an email address, or an https URL",
        "",
        "Where to report a vulnerability of this server, for /.well-known/security.txt; without it "
        "there is no such file.",
    ),
    Setting(
        "trusted_proxies",
        _proxies,
        f"addresses or networks with commas between them, or {ANYONE},{_CONSENT}",
        "",
        "Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.",
    ),
    Setting(
        "timestamps",
        _one_of("auto", "unix_ns", "rfc3339"),
        "one of auto unix_ns rfc3339",
        "auto",
        "Format of instants in responses; auto depends on the client's version.",
    ),
    Setting(
        "rate_limit_dora_ingest",
        _rate_limit,
        _LIMIT_FORM,
        "250000/60",
        "Creates and uploads, for each organisation.",
    ),
    Setting(
        "rate_limit_dora_read",
        _rate_limit,
        _LIMIT_FORM,
        "6000/60",
        "Lists and gets, for each organisation.",
    ),
    Setting(
        "rate_limit_dora_write",
        _rate_limit,
        _LIMIT_FORM,
        "6000/60",
        "Patches and deletes, for each organisation.",
    ),
    Setting(
        "rate_limit_unauthenticated",
        _rate_limit,
        _LIMIT_FORM,
        "600/60",
        "Requests without a valid key, for each address.",
    ),
    Setting(
        "session_idle_minutes",
        _Integer(1, 525600),
        "a whole number from 1 to 525,600",
        "720",
        "How long you stay signed in to the dashboard without a request.",
    ),
    Setting(
        "session_max_hours",
        _Integer(1, 87600),
        "a whole number from 1 to 87,600",
        "168",
        "How long you stay signed in to the dashboard in total.",
    ),
    Setting(
        "oidc_issuer",
        _url,
        "an https URL",
        "",
        "Issuer of the OpenID Connect provider that people sign in with; see docs/sign-in.md.",
    ),
    Setting("oidc_client_id", _text, "a client ID", "", "Client ID of this server there."),
    Setting(
        "oidc_client_secret",
        _text,
        "a client secret",
        "",
        "Its client secret; without one, this server is a public client.",
        secret=True,
    ),
    Setting(
        "oidc_label",
        _text,
        "a name",
        "OpenID Connect",
        'Name of the provider on the sign-in page: "Sign in with …".',
    ),
    Setting(
        "oidc_scopes",
        _words,
        "scopes with spaces between them",
        "openid profile email",
        "Scopes that the provider is asked for.",
    ),
    Setting(
        "oidc_groups_claim",
        _text,
        "the name of a claim",
        "groups",
        "Claim with a person's groups, in the ID token or at the userinfo endpoint.",
    ),
    Setting(
        "oidc_name_claim",
        _text,
        "the name of a claim",
        "name",
        "Claim with the name that pages show for a person.",
    ),
    Setting(
        "oidc_roles",
        _text,
        "GROUP=ROLE or GROUP=ORGANISATION:ROLE, with commas between them; editor of TEAM",
        "",
        "Roles of a person's groups; the first that fits counts, and * is any group. Whoever has "
        "none is refused. An editor of a team may change only what belongs to it.",
    ),
    Setting(
        "oidc_sign_up",
        _one_of("create", "refuse"),
        "one of create refuse",
        "create",
        "Whether the first sign-in of a person creates the person, or is refused.",
    ),
    Setting(
        "oidc_http_on_loopback",
        _switch,
        "yes or no",
        "no",
        "Whether the provider may be reached over http on this machine, for trying out.",
    ),
    Setting(
        "oidc_providers",
        _text,
        "a file",
        "",
        "TOML file of further providers, a table for each; see docs/sign-in.md.",
    ),
    Setting(
        "auth_proxy_user_header",
        _header,
        "the name of a header",
        "",
        "Header in which a trusted proxy names who is signed in; see docs/people.md.",
    ),
    Setting(
        "auth_proxy_name_header", _header, "the name of a header", "", "Header of their name there."
    ),
    Setting(
        "auth_proxy_email_header",
        _header,
        "the name of a header",
        "",
        "Header of their email address.",
    ),
    Setting(
        "auth_proxy_groups_header",
        _header,
        "the name of a header",
        "",
        "Header of their groups, with commas between them.",
    ),
    Setting(
        "auth_proxy_roles",
        _text,
        "GROUP=ROLE or GROUP=ORGANISATION:ROLE, with commas between them; editor of TEAM",
        "",
        "Roles of a person's groups at the proxy; the first that fits counts, and * is any group. "
        "Whoever has none is refused.",
    ),
    Setting(
        "auth_proxy_sign_up",
        _one_of("create", "refuse"),
        "one of create refuse",
        "create",
        "Whether the first request of a person creates the person, or is refused.",
    ),
    Setting(
        "key_sign_in",
        _switch,
        "yes or no",
        "yes",
        "Whether application keys sign in to the dashboard. If not, they open the API alone, and "
        "people need a provider or a proxy.",
    ),
    Setting(
        "git_folder",
        _text,
        "a folder",
        "",
        "Folder of uploaded packs and of mirrors; default: beside the database.",
    ),
    Setting(
        "git_fetch_minutes",
        _Integer(0, 525600),
        "a whole number from 0 to 525,600",
        "15",
        "How often mirrored repositories are fetched; 0: only on demand, or by command.",
    ),
    Setting(
        "git_fetch_on_demand",
        _switch,
        "yes or no",
        "yes",
        "Whether a mirror is fetched soon after a deployment of a commit that is not known.",
    ),
    Setting(
        "git_credential_helper",
        _text,
        "a helper as in git's settings",
        "",
        "Credential helper of git, for example: store --file=/run/secrets/git",
    ),
    Setting(
        "git_mirror_mib",
        _Integer(1, 1_048_576),
        "a whole number from 1 to 1,048,576",
        "4096",
        "Largest mirror of a repository, in MiB; a fetch that makes it larger is stopped.",
    ),
    Setting(
        "backup_to",
        _text,
        "a folder",
        "",
        "Folder that the server backs itself up to; without one it does not. See docs/backup.md.",
    ),
    Setting(
        "backup_every",
        duration_seconds,
        "a number and s, m, h or d, for example 6h",
        "1d",
        "How often it does so.",
    ),
    Setting(
        "backup_keep",
        _Integer(1, 100_000),
        "a whole number from 1 to 100,000",
        "14",
        "How many backups it keeps there; it removes the oldest.",
    ),
    Setting(
        "inbox_days",
        _Integer(1, 3650),
        "a whole number from 1 to 3,650",
        "30",
        "How long received webhooks are kept, to be shown and replayed; see docs/sources.md.",
    ),
    Setting(
        "deletion_delay_hours",
        _Integer(0, 8760),
        "a whole number from 0 to 8,760",
        "24",
        "How long a shorter retention can be taken back before it begins.",
    ),
    Setting(
        "organisation_deletion_days",
        _Integer(0, 3650),
        "a whole number from 0 to 3,650",
        "7",
        "How long the deletion of an organisation can be taken back before it begins.",
    ),
    Setting(
        "retention_max_percent",
        _Integer(1, 100),
        "a whole number from 1 to 100",
        "10",
        "Largest share of an organisation's events that one round of retention deletes without a "
        "confirmation.",
    ),
    Setting(
        "retention_clock_days",
        _Integer(1, 36500),
        "a whole number from 1 to 36,500",
        "30",
        "How far the clock may be from the last round of retention.",
    ),
    Setting(
        "audit_retention_days",
        _Integer(1, 36500),
        "a whole number from 1 to 36,500",
        "730",
        "How long entries of the audit log are kept. See docs/audit.md.",
    ),
    Setting(
        "quota_events",
        _Integer(0, 10**15),
        "a whole number from 0 to 1,000,000,000,000,000",
        "0",
        "Most deployments and failures of each organisation; 0: any number. See "
        "docs/organisations.md.",
    ),
    Setting(
        "quota_bytes",
        _Integer(0, 10**15),
        "a whole number from 0 to 1,000,000,000,000,000",
        "0",
        "Most bytes of the documents of each organisation's events; 0: any number.",
    ),
    Setting(
        "quota_repositories",
        _Integer(0, 10**15),
        "a whole number from 0 to 1,000,000,000,000,000",
        "0",
        "Most repositories with commits of each organisation; 0: any number.",
    ),
    Setting(
        "metrics_memory_mib",
        _Integer(0, 1048576),
        "a whole number from 0 to 1,048,576",
        "512",
        "Memory for events that metrics are computed from, in MiB for each process; a million "
        "deployments take about 100.",
    ),
    Setting(
        "metrics_folder",
        _text,
        "a folder, or no",
        "",
        "Folder of files with the events that metrics are computed from, so that they need not be "
        "read from the database after a start; default: beside the database. no: none.",
    ),
    Setting(
        "prometheus_groups",
        _Integer(1, 1000000),
        "a whole number from 1 to 1,000,000",
        "500",
        "Most groups of team, service and environment in one scrape of /metrics/dora.",
    ),
    Setting(
        "max_connections",
        _Integer(1, 1000000),
        "a whole number from 1 to 1,000,000",
        "4096",
        "Most connections at one time, for each process. One more replaces the one that has waited "
        "longest; it is rejected only if all are being served.",
    ),
    Setting(
        "max_connections_per_address",
        _Integer(1, 1000000),
        "a whole number from 1 to 1,000,000",
        "1024",
        "The same for one address (IPv6: one /64), except trusted proxies.",
    ),
    Setting(
        "max_header_bytes",
        _Integer(1024, 16777216),
        "a whole number from 1,024 to 16,777,216",
        "65536",
        "Longest request line and headers together; longer ones are answered 431 or 414.",
    ),
    Setting(
        "header_seconds",
        _Integer(1, 86400),
        "a whole number from 1 to 86,400",
        "15",
        "How long a request's line and headers may take, from the start of a connection or from "
        "their first byte.",
    ),
    Setting(
        "idle_seconds",
        _Integer(1, 86400),
        "a whole number from 1 to 86,400",
        "65",
        "How long a connection may be idle between requests; set it above a proxy's keep-alive.",
    ),
    Setting(
        "stall_seconds",
        _Integer(1, 86400),
        "a whole number from 1 to 86,400",
        "30",
        "How long a client may be slower than min_bytes_per_second at sending a body, or at "
        "reading an answer.",
    ),
    Setting(
        "min_bytes_per_second",
        _Integer(0, 1000000000),
        "a whole number from 0 to 1,000,000,000",
        "500",
        "Fewest bytes that a client must send or read per second, averaged over stall_seconds.",
    ),
    Setting(
        "read_seconds",
        _Integer(1, 3600),
        "a whole number from 1 to 3,600",
        "10",
        "How long a search, a metric, a page or a part of a CSV download may take; longer ones are "
        "answered 503, and a download is broken off. Loading an organisation's events into memory "
        "does not count.",
    ),
    Setting(
        "stop_seconds",
        _Integer(1, 3600),
        "a whole number from 1 to 3,600",
        "30",
        "How long the server may take to end after SIGTERM. After two thirds of it, answers under "
        "way are broken off.",
    ),
    Setting(
        "max_json_bytes",
        _Integer(1, 1073741824),
        "a whole number from 1 to 1,073,741,824",
        "5242880",
        "Longest JSON body, decompressed.",
    ),
    Setting(
        "max_multipart_bytes",
        _Integer(1, 1073741824),
        "a whole number from 1 to 1,073,741,824",
        "67108864",
        "Longest multipart body, decompressed.",
    ),
    Setting(
        "upload_threads",
        _Integer(1, 64),
        "a whole number from 1 to 64",
        "2",
        "Uploads of commits processed at one time, for each process.",
    ),
    Setting(
        "log_level",
        _one_of("debug", "info", "warning", "error"),
        "one of debug info warning error",
        "info",
        "Lowest level that is logged.",
    ),
    Setting(
        "log_format",
        _one_of("auto", "json", "text"),
        "one of auto json text",
        "auto",
        "How lines are logged; auto is text on a terminal, else json.",
    ),
    Setting(
        "log_requests",
        _one_of("all", "failed", "none"),
        "one of all failed none",
        "failed",
        "Which requests are logged: all, those answered with 400 or above, or none.",
    ),
    Setting(
        "otlp_endpoint",
        _url,
        "an http or https URL",
        "",
        "Receiver of OpenTelemetry traces and metrics, for example http://127.0.0.1:4318; see "
        "docs/metrics.md.",
    ),
    Setting(
        "badges",
        _badges,
        "ORGANISATION=TOKEN with commas between them; a token has at least 32 ASCII characters",
        "",
        "Organisations that have badges, and the token that their addresses need; see "
        "docs/metrics.md.",
        secret=True,
    ),
    Setting(
        "share_links",
        _switch,
        "yes or no",
        "no",
        "Whether editors can share a page by a link that needs no sign-in; see "
        "docs/share-links.md.",
    ),
    Setting(
        "bootstrap_api_key",
        _key,
        "a key of at least 32 ASCII characters",
        "",
        "An API key to make if there is none like it, with every permission.",
        secret=True,
    ),
    Setting(
        "bootstrap_app_key",
        _key,
        "a key of at least 32 ASCII characters",
        "",
        "An application key to make if there is none like it, with every permission.",
        secret=True,
    ),
)


def setting_named(name: str) -> Setting:
    return next(setting for setting in SETTINGS if setting.name == name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The value of every setting; the table describes them."""

    host: str
    port: int
    database: str
    read_database_url: str
    workers: int
    tls_cert: str
    tls_key: str
    derive: bool
    path_prefix: str
    path_prefix_stripped: bool
    public_url: str
    security_contact: str
    trusted_proxies: tuple[str, ...]
    timestamps: Timestamps
    rate_limit_dora_ingest: RateLimit
    rate_limit_dora_read: RateLimit
    rate_limit_dora_write: RateLimit
    rate_limit_unauthenticated: RateLimit
    session_idle_minutes: int
    session_max_hours: int
    oidc_issuer: str
    oidc_client_id: str
    oidc_client_secret: str
    oidc_label: str
    oidc_scopes: tuple[str, ...]
    oidc_groups_claim: str
    oidc_name_claim: str
    oidc_roles: str
    oidc_sign_up: SignUp
    oidc_http_on_loopback: bool
    oidc_providers: str
    auth_proxy_user_header: str
    auth_proxy_name_header: str
    auth_proxy_email_header: str
    auth_proxy_groups_header: str
    auth_proxy_roles: str
    auth_proxy_sign_up: SignUp
    key_sign_in: bool
    git_folder: str
    git_fetch_minutes: int
    git_fetch_on_demand: bool
    git_credential_helper: str
    git_mirror_mib: int
    backup_to: str
    backup_every: int
    backup_keep: int
    inbox_days: int
    deletion_delay_hours: int
    organisation_deletion_days: int
    retention_max_percent: int
    retention_clock_days: int
    audit_retention_days: int
    quota_events: int
    quota_bytes: int
    quota_repositories: int
    metrics_memory_mib: int
    metrics_folder: str
    prometheus_groups: int
    max_connections: int
    max_connections_per_address: int
    max_header_bytes: int
    header_seconds: int
    idle_seconds: int
    stall_seconds: int
    min_bytes_per_second: int
    read_seconds: int
    stop_seconds: int
    max_json_bytes: int
    max_multipart_bytes: int
    upload_threads: int
    log_level: str
    log_format: LogFormat
    log_requests: LoggedRequests
    otlp_endpoint: str
    badges: tuple[tuple[str, str], ...]
    share_links: bool
    bootstrap_api_key: str
    bootstrap_app_key: str


def load(environment: Mapping[str, str], flags: Mapping[str, str | None]) -> Config:
    """Every setting from flags, the environment or its default.

    `flags` maps setting names to texts. Raises `UnusableSetting`, with a line for each problem.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    for setting in SETTINGS:
        try:
            values[setting.name] = _value(setting, environment, flags)
        except UnusableSetting as error:
            problems.append(str(error))
    if problems:
        raise UnusableSetting("\n".join(problems))
    return Config(**values)


def check_names(environment: Mapping[str, str]) -> None:
    """Raises `UnusableSetting` for variables that look like settings and are none."""
    known = {setting.variable for setting in SETTINGS} | {_MAKE_SERVE}
    known |= {f"{setting.variable}_FILE" for setting in SETTINGS if setting.secret}
    unknown = [
        name
        for name in sorted(environment)
        if name.startswith("THEODORA_") and name not in known and not name.startswith(_OF_TESTS)
    ]
    if unknown:
        raise UnusableSetting("\n".join(_unknown(name, known) for name in unknown))


def _unknown(name: str, known: Iterable[str]) -> str:
    alike = get_close_matches(name, known, n=1, cutoff=0.8)
    meant = f" (did you mean {alike[0]}?)" if alike else "; see docs/settings.md"
    return f"{_shown(name)}: there is no such setting{meant}"


def _shown(text: str) -> str:
    """A value in a message: on one line, and not too long."""
    clean = "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
    return clean if len(clean) <= 100 else clean[:99] + "…"


def _value(
    setting: Setting, environment: Mapping[str, str], flags: Mapping[str, str | None]
) -> Any:
    flag = flags.get(setting.name)
    if flag is not None:
        return setting.read(flag, setting.flag)
    file_variable = f"{setting.variable}_FILE"
    if setting.secret and file_variable in environment:
        return setting.read(_file_text(environment[file_variable], file_variable), file_variable)
    if setting.variable in environment:
        return setting.read(environment[setting.variable], setting.variable)
    return setting.read(setting.default, setting.name)


def _file_text(path: str, origin: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise UnusableSetting(f"{origin}: cannot read {_shown(path)}: {reason}") from error
