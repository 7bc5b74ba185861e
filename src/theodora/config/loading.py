"""The values of all settings, from flags and the environment.

A flag wins over the environment, the environment over the default. A secret may also come
from a file, named by THEODORA_<NAME>_FILE, and has no flag: command lines are public.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from theodora.config.settings import SETTINGS, Setting
from theodora.config.values import RateLimit, in_one_line
from theodora.errors import UnusableSetting

Timestamps = Literal["auto", "unix_ns", "rfc3339"]
LoggedRequests = Literal["all", "failed", "none"]
LogFormat = Literal["auto", "json", "text"]
SignUp = Literal["create", "refuse"]

_MAKE_SERVE = "THEODORA_MAKE_SERVE"
_OF_TESTS = "THEODORA_TEST_"


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
    return f"{in_one_line(name)}: there is no such setting{meant}"


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
        raise UnusableSetting(f"{origin}: cannot read {in_one_line(path)}: {reason}") from error
