"""Rate limits: windows, headers on every response, 429, and the settings."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from asking import DEPLOYMENT, DEPLOYMENTS, SHOPIST, Tenant, make_tenant, server_in_process
from databases import ON_SQLITE
from theodora.errors import UnusableSetting
from theodora.web.api.routes import OPERATIONS
from theodora.web.http.rate_limit import BUCKETS, Limit, RateLimiter

pytestmark = ON_SQLITE

NAMES = ("limit", "period", "remaining", "reset", "name")


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock(1_000_000_020.0)


def limiter(clock: Clock, requests: int = 3, seconds: int = 60) -> RateLimiter:
    return RateLimiter({bucket: Limit(bucket, requests, seconds) for bucket in BUCKETS}, clock)


def test_a_window_holds_so_many_requests(clock: Clock) -> None:
    limits = limiter(clock)
    quotas = [limits.take("dora_read", 1) for _ in range(5)]
    assert [quota.remaining for quota in quotas] == [2, 1, 0, 0, 0]
    assert [quota.exceeded for quota in quotas] == [False, False, False, True, True]


@pytest.mark.parametrize(
    ("now", "reset"),
    [
        (999_999_960.0, 60),
        (999_999_960.001, 60),
        (999_999_961.0, 59),
        (1_000_000_019.0, 1),
        (1_000_000_019.5, 1),
        (1_000_000_019.999, 1),
        (1_000_000_020.0, 60),
    ],
)
def test_windows_are_aligned_to_unix_time(clock: Clock, now: float, reset: int) -> None:
    clock.now = now
    quota = limiter(clock).take("dora_read", 1)
    assert quota.reset_seconds == reset
    assert isinstance(quota.reset_seconds, int)


def test_a_new_window_starts_afresh(clock: Clock) -> None:
    limits = limiter(clock)
    for _ in range(4):
        limits.take("dora_read", 1)
    clock.now += 59.999
    assert limits.take("dora_read", 1).exceeded
    clock.now += 0.001
    assert limits.take("dora_read", 1).remaining == 2


def test_callers_and_buckets_do_not_share(clock: Clock) -> None:
    limits = limiter(clock, requests=1)
    assert not limits.take("dora_read", 1).exceeded
    assert limits.take("dora_read", 1).exceeded
    assert not limits.take("dora_read", 2).exceeded
    assert not limits.take("dora_write", 1).exceeded


def test_peeking_counts_nothing(clock: Clock) -> None:
    limits = limiter(clock)
    assert [limits.peek("dora_read", 1).remaining for _ in range(9)] == [3] * 9


def test_headers_are_decimal_integers(clock: Clock) -> None:
    clock.now += 0.123456
    assert limiter(clock).take("dora_write", 1).headers == [
        (b"x-ratelimit-limit", b"3"),
        (b"x-ratelimit-period", b"60"),
        (b"x-ratelimit-remaining", b"2"),
        (b"x-ratelimit-reset", b"60"),
        (b"x-ratelimit-name", b"dora_write"),
    ]


# Over HTTP


def limits_of(answer: Any) -> dict[str, str]:
    found = {name: answer.headers[f"X-RateLimit-{name}"] for name in NAMES}
    for name in NAMES[:-1]:
        assert re.fullmatch(r"\d+", found[name]), (name, found[name])
    assert int(found["reset"]) >= 1
    return found


@pytest.mark.parametrize(
    ("method", "path", "options", "status", "bucket"),
    [
        ("POST", DEPLOYMENT, {"json": {"data": {"attributes": SHOPIST}}}, 200, "dora_ingest"),
        ("POST", DEPLOYMENT, {"content": b"{"}, 400, "dora_ingest"),
        ("POST", DEPLOYMENT, {"content": b" " * 6_000_000}, 413, "dora_ingest"),
        ("POST", DEPLOYMENT, {"headers": {"Content-Type": "text/plain"}}, 415, "dora_ingest"),
        ("POST", DEPLOYMENTS, {"json": {}}, 400, "dora_read"),
        ("GET", f"{DEPLOYMENTS}/unknown", {}, 404, "dora_read"),
        ("DELETE", f"{DEPLOYMENT}/unknown", {}, 404, "dora_write"),
        ("PATCH", DEPLOYMENTS, {"json": {}}, 400, "dora_write"),
        ("GET", "/api/v1/validate", {}, 200, "dora_read"),
        ("GET", "/api/v2/validate_keys", {}, 200, "dora_read"),
        ("POST", "/api/v1/series", {"json": {}}, 202, "dora_ingest"),
        ("GET", "/nowhere", {}, 404, "unauthenticated"),
        ("GET", "/api/v1/nowhere", {}, 404, "unauthenticated"),
        ("GET", DEPLOYMENTS, {}, 404, "unauthenticated"),
        ("GET", "/api/v1/validate", {"headers": {"DD-API-KEY": "x"}}, 403, "unauthenticated"),
    ],
)
def test_every_response_tells_the_limits(
    tenant: Tenant, method: str, path: str, options: dict[str, Any], status: int, bucket: str
) -> None:
    answer = tenant.ask(method, path, **options)
    assert answer.status_code == status
    assert limits_of(answer)["name"] == bucket


def test_default_limits_are_the_documented_ones(tenant: Tenant) -> None:
    for method, path, expected in (
        ("POST", "/api/v1/series", ("250000", "60", "dora_ingest")),
        ("GET", "/api/v1/validate", ("6000", "60", "dora_read")),
        ("DELETE", f"{DEPLOYMENT}/unknown", ("6000", "60", "dora_write")),
    ):
        found = limits_of(tenant.ask(method, path))
        assert (found["limit"], found["period"], found["name"]) == expected


def test_every_operation_names_its_bucket() -> None:
    for operation in OPERATIONS:
        assert operation.bucket in BUCKETS
        assert operation.bucket != "unauthenticated"


YEARS = 10**9
"""A window so long that no test sees its end."""


@pytest.fixture
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenant]:
    """A server that lets through two requests of each bucket."""
    settings = {f"rate_limit_{bucket}": f"2/{YEARS}" for bucket in BUCKETS}
    with server_in_process(tmp_path_factory.mktemp("few"), **settings) as server:
        yield make_tenant(*server)


@pytest.mark.parametrize(
    ("bucket", "method", "path", "headers"),
    [
        ("dora_ingest", "POST", DEPLOYMENT, {}),
        ("dora_read", "POST", DEPLOYMENTS, {}),
        ("dora_write", "DELETE", f"{DEPLOYMENT}/unknown", {}),
        ("unauthenticated", "GET", "/nowhere", {}),
        ("unauthenticated", "GET", "/api/v1/validate", {"DD-API-KEY": "x"}),
    ],
)
def test_one_request_too_many_is_told_so(
    few: Tenant, bucket: str, method: str, path: str, headers: dict[str, str]
) -> None:
    answers = [few.ask(method, path, headers=headers) for _ in range(4)]
    assert [answer.status_code == 429 for answer in answers] == [False, False, True, True]
    assert answers[2].content == b'{"errors":["Too many requests"]}'
    assert answers[2].headers["content-type"] in {"application/vnd.api+json", "application/json"}
    found = [limits_of(answer) for answer in answers]
    assert [limits["remaining"] for limits in found] == ["1", "0", "0", "0"]
    assert {limits["name"] for limits in found} == {bucket}


def test_what_is_over_the_limit_changes_nothing(few: Tenant) -> None:
    statuses = [few.send({**SHOPIST, "version": str(n)}).status_code for n in range(5)]
    assert statuses == [200, 200, 429, 429, 429]
    assert len(few.ids()) == 2


def test_organisations_do_not_share_a_limit(few: Tenant) -> None:
    other = make_tenant(few.built, few.client)
    for _ in range(3):
        few.send(SHOPIST)
    assert other.send(SHOPIST).status_code == 200


def test_a_limit_comes_before_the_look_at_the_body(few: Tenant) -> None:
    for _ in range(2):
        few.send(SHOPIST)
    assert few.post_body(b"nonsense", Content_Type="text/plain").status_code == 429


@pytest.mark.parametrize("text", ["", "3", "3/", "/60", "0/60", "3/0", "-1/60", "3/60/9", "a/b"])
def test_a_limit_of_another_form_is_no_setting(tmp_path: Any, text: str) -> None:
    with (
        pytest.raises(UnusableSetting, match="THEODORA_RATE_LIMIT_DORA_READ"),
        server_in_process(tmp_path, rate_limit_dora_read=text),
    ):
        pass
