"""One table of settings: each is a flag of `theodora serve` and a variable THEODORA_<NAME>."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from theodora.config.values import (
    ANYONE,
    CONSENT,
    Integer,
    duration_seconds,
    in_one_line,
    one_of,
    read_badges,
    read_contact,
    read_header,
    read_host,
    read_key,
    read_origin,
    read_prefix,
    read_proxies,
    read_rate_limit,
    read_switch,
    read_text,
    read_url,
    read_words,
)
from theodora.errors import UnusableSetting


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
            shown = f'"{in_one_line(text)}"' if is_shown else "the value"
            raise UnusableSetting(f"{origin}: {shown} must be {self.form}") from None


_LIMIT_FORM = "requests/seconds, for example 6000/60"

SETTINGS: tuple[Setting, ...] = (
    Setting("host", read_host, "an address", "127.0.0.1", "Address to listen on."),
    Setting(
        "port",
        Integer(0, 65535),
        "a whole number from 0 to 65,535",
        "8080",
        "Port to listen on; 0 takes a free one.",
    ),
    Setting(
        "database",
        read_text,
        "sqlite:///relative.db, sqlite:////absolute.db or postgresql://user@host/name",
        "sqlite:///theodora.db",
        "The database. The default is .theodora/theodora.db instead where make serve has created "
        "it.",
    ),
    Setting(
        "read_database_url",
        read_text,
        "postgresql://user@host/name",
        "",
        "A replica of a PostgreSQL database, to answer reads; see docs/postgresql.md.",
    ),
    Setting(
        "workers",
        Integer(1, 256),
        "a whole number from 1 to 256",
        "1",
        "Processes that serve together, on PostgreSQL alone; each counts requests and failed "
        "sign-ins for its limits by itself.",
    ),
    Setting(
        "tls_cert",
        read_text,
        "a file",
        "",
        "Certificate, with its chain, in PEM; with it the server speaks https.",
    ),
    Setting("tls_key", read_text, "a file", "", "The certificate's private key, in PEM."),
    Setting(
        "derive",
        read_switch,
        "yes or no",
        "yes",
        "Whether this server derives lead times and change failures in the background.",
    ),
    Setting(
        "path_prefix",
        read_prefix,
        "a path",
        "",
        "Path beneath which everything is served; see docs/proxies.md.",
    ),
    Setting(
        "path_prefix_stripped",
        read_switch,
        "yes or no",
        "no",
        "Whether a proxy removes the path prefix before it passes a request on.",
    ),
    Setting(
        "public_url",
        read_origin,
        "a URL without a path, for example https://dora.example.org",
        "",
        "URL at which browsers find this server, without the path prefix; sign-in providers send "
        "people back to it.",
    ),
    Setting(
        "security_contact",
        read_contact,
        "mailto: and an email address, or an https URL",
        "",
        "Where to report a vulnerability of this server, for /.well-known/security.txt; without it "
        "there is no such file.",
    ),
    Setting(
        "trusted_proxies",
        read_proxies,
        f"addresses or networks with commas between them, or {ANYONE},{CONSENT}",
        "",
        "Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed.",
    ),
    Setting(
        "timestamps",
        one_of("auto", "unix_ns", "rfc3339"),
        "one of auto unix_ns rfc3339",
        "auto",
        "Format of instants in responses; auto depends on the client's version.",
    ),
    Setting(
        "rate_limit_dora_ingest",
        read_rate_limit,
        _LIMIT_FORM,
        "250000/60",
        "Creates and uploads, for each organisation.",
    ),
    Setting(
        "rate_limit_dora_read",
        read_rate_limit,
        _LIMIT_FORM,
        "6000/60",
        "Lists and gets, for each organisation.",
    ),
    Setting(
        "rate_limit_dora_write",
        read_rate_limit,
        _LIMIT_FORM,
        "6000/60",
        "Patches and deletes, for each organisation.",
    ),
    Setting(
        "rate_limit_unauthenticated",
        read_rate_limit,
        _LIMIT_FORM,
        "600/60",
        "Requests without a valid key, for each address.",
    ),
    Setting(
        "session_idle_minutes",
        Integer(1, 525600),
        "a whole number from 1 to 525,600",
        "720",
        "How long you stay signed in to the dashboard without a request.",
    ),
    Setting(
        "session_max_hours",
        Integer(1, 87600),
        "a whole number from 1 to 87,600",
        "168",
        "How long you stay signed in to the dashboard in total.",
    ),
    Setting(
        "oidc_issuer",
        read_url,
        "an https URL",
        "",
        "Issuer of the OpenID Connect provider that people sign in with; see docs/sign-in.md.",
    ),
    Setting("oidc_client_id", read_text, "a client ID", "", "Client ID of this server there."),
    Setting(
        "oidc_client_secret",
        read_text,
        "a client secret",
        "",
        "Its client secret; without one, this server is a public client.",
        secret=True,
    ),
    Setting(
        "oidc_label",
        read_text,
        "a name",
        "OpenID Connect",
        'Name of the provider on the sign-in page: "Sign in with …".',
    ),
    Setting(
        "oidc_scopes",
        read_words,
        "scopes with spaces between them",
        "openid profile email",
        "Scopes that the provider is asked for.",
    ),
    Setting(
        "oidc_groups_claim",
        read_text,
        "the name of a claim",
        "groups",
        "Claim with a person's groups, in the ID token or at the userinfo endpoint.",
    ),
    Setting(
        "oidc_name_claim",
        read_text,
        "the name of a claim",
        "name",
        "Claim with the name that pages show for a person.",
    ),
    Setting(
        "oidc_roles",
        read_text,
        "GROUP=ROLE or GROUP=ORGANISATION:ROLE, with commas between them; editor of TEAM",
        "",
        "Roles of a person's groups; the first that fits counts, and * is any group. Whoever has "
        "none is refused. An editor of a team may change only what belongs to it.",
    ),
    Setting(
        "oidc_sign_up",
        one_of("create", "refuse"),
        "one of create refuse",
        "create",
        "Whether the first sign-in of a person creates the person, or is refused.",
    ),
    Setting(
        "oidc_http_on_loopback",
        read_switch,
        "yes or no",
        "no",
        "Whether the provider may be reached over http on this machine, for trying out.",
    ),
    Setting(
        "oidc_providers",
        read_text,
        "a file",
        "",
        "TOML file of further providers, a table for each; see docs/sign-in.md.",
    ),
    Setting(
        "auth_proxy_user_header",
        read_header,
        "the name of a header",
        "",
        "Header in which a trusted proxy names who is signed in; see docs/people.md.",
    ),
    Setting(
        "auth_proxy_name_header",
        read_header,
        "the name of a header",
        "",
        "Header of their name there.",
    ),
    Setting(
        "auth_proxy_email_header",
        read_header,
        "the name of a header",
        "",
        "Header of their email address.",
    ),
    Setting(
        "auth_proxy_groups_header",
        read_header,
        "the name of a header",
        "",
        "Header of their groups, with commas between them.",
    ),
    Setting(
        "auth_proxy_roles",
        read_text,
        "GROUP=ROLE or GROUP=ORGANISATION:ROLE, with commas between them; editor of TEAM",
        "",
        "Roles of a person's groups at the proxy; the first that fits counts, and * is any group. "
        "Whoever has none is refused.",
    ),
    Setting(
        "auth_proxy_sign_up",
        one_of("create", "refuse"),
        "one of create refuse",
        "create",
        "Whether the first request of a person creates the person, or is refused.",
    ),
    Setting(
        "key_sign_in",
        read_switch,
        "yes or no",
        "yes",
        "Whether application keys sign in to the dashboard. If not, they open the API alone, and "
        "people need a provider or a proxy.",
    ),
    Setting(
        "git_folder",
        read_text,
        "a folder",
        "",
        "Folder of uploaded packs and of mirrors; default: beside the database.",
    ),
    Setting(
        "git_fetch_minutes",
        Integer(0, 525600),
        "a whole number from 0 to 525,600",
        "15",
        "How often mirrored repositories are fetched; 0: only on demand, or by command.",
    ),
    Setting(
        "git_fetch_on_demand",
        read_switch,
        "yes or no",
        "yes",
        "Whether a mirror is fetched soon after a deployment of a commit that is not known.",
    ),
    Setting(
        "git_credential_helper",
        read_text,
        "a helper as in git's settings",
        "",
        "Credential helper of git, for example: store --file=/run/secrets/git",
    ),
    Setting(
        "git_mirror_mib",
        Integer(1, 1_048_576),
        "a whole number from 1 to 1,048,576",
        "4096",
        "Largest mirror of a repository, in MiB; a fetch that makes it larger is stopped.",
    ),
    Setting(
        "backup_to",
        read_text,
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
        Integer(1, 100_000),
        "a whole number from 1 to 100,000",
        "14",
        "How many backups it keeps there; it removes the oldest.",
    ),
    Setting(
        "inbox_days",
        Integer(1, 3650),
        "a whole number from 1 to 3,650",
        "30",
        "How long received webhooks are kept, to be shown and replayed; see docs/sources.md.",
    ),
    Setting(
        "deletion_delay_hours",
        Integer(0, 8760),
        "a whole number from 0 to 8,760",
        "24",
        "How long a shorter retention can be taken back before it begins.",
    ),
    Setting(
        "organisation_deletion_days",
        Integer(0, 3650),
        "a whole number from 0 to 3,650",
        "7",
        "How long the deletion of an organisation can be taken back before it begins.",
    ),
    Setting(
        "retention_max_percent",
        Integer(1, 100),
        "a whole number from 1 to 100",
        "10",
        "Largest share of an organisation's events that one round of retention deletes without a "
        "confirmation.",
    ),
    Setting(
        "retention_clock_days",
        Integer(1, 36500),
        "a whole number from 1 to 36,500",
        "30",
        "How far the clock may be from the last round of retention.",
    ),
    Setting(
        "audit_retention_days",
        Integer(1, 36500),
        "a whole number from 1 to 36,500",
        "730",
        "How long entries of the audit log are kept. See docs/audit.md.",
    ),
    Setting(
        "quota_events",
        Integer(0, 10**15),
        "a whole number from 0 to 1,000,000,000,000,000",
        "0",
        "Most deployments and failures of each organisation; 0: any number. See "
        "docs/organisations.md.",
    ),
    Setting(
        "quota_bytes",
        Integer(0, 10**15),
        "a whole number from 0 to 1,000,000,000,000,000",
        "0",
        "Most bytes of the documents of each organisation's events; 0: any number.",
    ),
    Setting(
        "quota_repositories",
        Integer(0, 10**15),
        "a whole number from 0 to 1,000,000,000,000,000",
        "0",
        "Most repositories with commits of each organisation; 0: any number.",
    ),
    Setting(
        "metrics_memory_mib",
        Integer(0, 1048576),
        "a whole number from 0 to 1,048,576",
        "512",
        "Memory for events that metrics are computed from, in MiB for each process; a million "
        "deployments take about 100.",
    ),
    Setting(
        "metrics_folder",
        read_text,
        "a folder, or no",
        "",
        "Folder of files with the events that metrics are computed from, so that they need not be "
        "read from the database after a start; default: beside the database. no: none.",
    ),
    Setting(
        "prometheus_groups",
        Integer(1, 1000000),
        "a whole number from 1 to 1,000,000",
        "500",
        "Most groups of team, service and environment in one scrape of /metrics/dora.",
    ),
    Setting(
        "max_connections",
        Integer(1, 1000000),
        "a whole number from 1 to 1,000,000",
        "4096",
        "Most connections at one time, for each process. One more replaces the one that has waited "
        "longest; it is rejected only if all are being served.",
    ),
    Setting(
        "max_connections_per_address",
        Integer(1, 1000000),
        "a whole number from 1 to 1,000,000",
        "1024",
        "The same for one address (IPv6: one /64), except trusted proxies.",
    ),
    Setting(
        "max_header_bytes",
        Integer(1024, 16777216),
        "a whole number from 1,024 to 16,777,216",
        "65536",
        "Longest request line and headers together; longer ones are answered 431 or 414.",
    ),
    Setting(
        "header_seconds",
        Integer(1, 86400),
        "a whole number from 1 to 86,400",
        "15",
        "How long a request's line and headers may take, from the start of a connection or from "
        "their first byte.",
    ),
    Setting(
        "idle_seconds",
        Integer(1, 86400),
        "a whole number from 1 to 86,400",
        "65",
        "How long a connection may be idle between requests; set it above a proxy's keep-alive.",
    ),
    Setting(
        "stall_seconds",
        Integer(1, 86400),
        "a whole number from 1 to 86,400",
        "30",
        "How long a client may be slower than min_bytes_per_second at sending a body, or at "
        "reading an answer.",
    ),
    Setting(
        "min_bytes_per_second",
        Integer(0, 1000000000),
        "a whole number from 0 to 1,000,000,000",
        "500",
        "Fewest bytes that a client must send or read per second, averaged over stall_seconds.",
    ),
    Setting(
        "read_seconds",
        Integer(1, 3600),
        "a whole number from 1 to 3,600",
        "10",
        "How long a search, a metric, a page or a part of a CSV download may take; longer ones are "
        "answered 503, and a download is broken off. Loading an organisation's events into memory "
        "does not count.",
    ),
    Setting(
        "stop_seconds",
        Integer(1, 3600),
        "a whole number from 1 to 3,600",
        "30",
        "How long the server may take to end after SIGTERM. After two thirds of it, answers under "
        "way are broken off.",
    ),
    Setting(
        "max_json_bytes",
        Integer(1, 1073741824),
        "a whole number from 1 to 1,073,741,824",
        "5242880",
        "Longest JSON body, decompressed.",
    ),
    Setting(
        "max_multipart_bytes",
        Integer(1, 1073741824),
        "a whole number from 1 to 1,073,741,824",
        "67108864",
        "Longest multipart body, decompressed.",
    ),
    Setting(
        "upload_threads",
        Integer(1, 64),
        "a whole number from 1 to 64",
        "2",
        "Uploads of commits processed at one time, for each process.",
    ),
    Setting(
        "log_level",
        one_of("debug", "info", "warning", "error"),
        "one of debug info warning error",
        "info",
        "Lowest level that is logged.",
    ),
    Setting(
        "log_format",
        one_of("auto", "json", "text"),
        "one of auto json text",
        "auto",
        "How lines are logged; auto is text on a terminal, else json.",
    ),
    Setting(
        "log_requests",
        one_of("all", "failed", "none"),
        "one of all failed none",
        "failed",
        "Which requests are logged: all, those answered with 400 or above, or none.",
    ),
    Setting(
        "otlp_endpoint",
        read_url,
        "an http or https URL",
        "",
        "Receiver of OpenTelemetry traces and metrics, for example http://127.0.0.1:4318; see "
        "docs/metrics.md.",
    ),
    Setting(
        "badges",
        read_badges,
        "ORGANISATION=TOKEN with commas between them; a token has at least 32 ASCII characters",
        "",
        "Organisations that have badges, and the token that their addresses need; see "
        "docs/metrics.md.",
        secret=True,
    ),
    Setting(
        "share_links",
        read_switch,
        "yes or no",
        "no",
        "Whether editors can share a page by a link that needs no sign-in; see "
        "docs/share-links.md.",
    ),
    Setting(
        "bootstrap_api_key",
        read_key,
        "a key of at least 32 ASCII characters",
        "",
        "An API key to make if there is none like it, with every permission.",
        secret=True,
    ),
    Setting(
        "bootstrap_app_key",
        read_key,
        "a key of at least 32 ASCII characters",
        "",
        "An application key to make if there is none like it, with every permission.",
        secret=True,
    ),
)


def setting_named(name: str) -> Setting:
    return next(setting for setting in SETTINGS if setting.name == name)
