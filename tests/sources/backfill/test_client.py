"""The client of providers' APIs: one server, limits, retries, and a token that stays there."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest

from databases import ON_SQLITE
from provider_api import TOKEN, ProviderApi, Refusal, serve_api
from theodora.sources.backfill.client import ApiError, Client
from theodora.sources.backfill.github import GITHUB_LIMIT, github_headers
from theodora.sources.backfill.gitlab import GITLAB_LIMIT
from theodora.sources.backfill.pagerduty import PAGERDUTY_LIMIT

pytestmark = ON_SQLITE
NOW = 1_000_000.0
LIMITS = {"github": GITHUB_LIMIT, "gitlab": GITLAB_LIMIT, "pagerduty": PAGERDUTY_LIMIT}


@pytest.fixture
def api() -> Iterator[ProviderApi]:
    with serve_api(ProviderApi({"/list": [{"n": 1}, {"n": 2}, {"n": 3}], "/one": {"n": 1}})) as api:
        yield api


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def client(api: ProviderApi, slept: list[float]) -> Iterator[Callable[[str], Client]]:
    """A client with the limits of a provider, whose waits are noted."""
    with ExitStack() as made:

        def make(provider: str = "github") -> Client:
            limit, headers = LIMITS[provider], github_headers(TOKEN)
            client = Client(api.url, headers, limit, sleep=slept.append, now=lambda: NOW)
            return made.enter_context(closing(client))

        yield make


def test_pages_are_linked(client: Callable[[str], Client], api: ProviderApi) -> None:
    first = client("github").get("list?per_page=2")
    assert first.value == [{"n": 1}, {"n": 2}]
    assert first.next_url
    second = client("github").get(first.next_url)
    assert (second.value, second.next_url) == ([{"n": 3}], None)
    assert api.requests == ["/list?per_page=2", "/list?per_page=2&page=2"]


@pytest.mark.parametrize(
    ("provider", "status", "headers", "seconds"),
    [
        ("github", 429, {"Retry-After": "7"}, 7.0),
        ("github", 403, {"Retry-After": "7"}, 7.0),
        ("github", 403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000090"}, 91.0),
        ("github", 429, {}, 60.0),
        ("gitlab", 429, {"Retry-After": "3", "RateLimit-Reset": "1000090"}, 3.0),
        ("gitlab", 429, {"RateLimit-Reset": "1000090"}, 91.0),
        ("pagerduty", 429, {"ratelimit-reset": "12"}, 12.0),
        ("pagerduty", 429, {"ratelimit-reset": "99999999"}, 3_900.0),
    ],
)
def test_a_limit_is_waited_for(
    client: Callable[[str], Client],
    api: ProviderApi,
    slept: list[float],
    provider: str,
    status: int,
    headers: dict[str, str],
    seconds: float,
) -> None:
    api.refusals = [Refusal(status, headers)]
    assert client(provider).object("one") == {"n": 1}
    assert slept == [seconds]


def test_a_used_up_limit_is_waited_for_before_it_refuses(
    client: Callable[[str], Client], api: ProviderApi, slept: list[float]
) -> None:
    api.headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1000009"}
    assert client("github").object("one") == {"n": 1}
    assert slept == [10.0]


def test_refusals_without_a_time_double_the_wait(
    client: Callable[[str], Client], api: ProviderApi, slept: list[float]
) -> None:
    api.refusals = [Refusal(429)] * 3
    client("github").object("one")
    assert slept == [60.0, 120.0, 240.0]


def test_what_passes_is_tried_again_but_not_for_ever(
    client: Callable[[str], Client], api: ProviderApi, slept: list[float]
) -> None:
    api.refusals = [Refusal(502), Refusal(200, body=b"<html>"), Refusal(503)]
    assert client("github").object("one") == {"n": 1}
    assert slept == [1.0, 2.0, 4.0]
    api.refusals = [Refusal(503)] * 6
    with pytest.raises(ApiError, match="status 503"):
        client("github").object("one")
    assert api.refusals == []


def test_one_connection_serves_all_requests_and_a_lost_one_is_replaced(
    client: Callable[[str], Client], api: ProviderApi, slept: list[float]
) -> None:
    github = client("github")
    api.refusals = [Refusal(503)]
    assert [github.object("one") for _ in range(3)] == [{"n": 1}] * 3
    assert api.connections == 1
    api.refusals = [Refusal(200, {"Connection": "close"}, b"{}")]
    assert [github.object("one") for _ in range(2)] == [{}, {"n": 1}]
    assert (api.connections, slept) == (2, [1.0])


def test_an_answer_that_breaks_off_is_asked_for_again(
    client: Callable[[str], Client], api: ProviderApi, slept: list[float]
) -> None:
    api.refusals = [Refusal(200, body=b'{"n": 2}', missing=9)]
    assert client("github").object("one") == {"n": 1}
    assert slept == [1.0]


def test_redirects_without_end_are_refused(
    client: Callable[[str], Client], api: ProviderApi
) -> None:
    api.refusals = [Refusal(302, {"Location": "/one"})] * 9
    with pytest.raises(ApiError, match="answered 302"):
        client("github").object("one")
    assert len(api.requests) == 6


@pytest.mark.parametrize(
    ("status", "reason"),
    [(401, "the token is not valid"), (403, "may not read this"), (404, "does not exist")],
)
def test_other_refusals_are_not_waited_for(
    client: Callable[[str], Client], api: ProviderApi, slept: list[float], status: int, reason: str
) -> None:
    api.refusals = [Refusal(status)]
    with pytest.raises(ApiError, match=reason) as raised:
        client("github").object("one")
    assert slept == []
    assert TOKEN not in str(raised.value)


def test_the_token_goes_to_no_other_server(
    client: Callable[[str], Client], api: ProviderApi
) -> None:
    with serve_api(ProviderApi({"/one": {"n": 2}})) as other:
        with pytest.raises(ApiError, match="which the token is for"):
            client("github").get(f"{other.url}/one")
        api.refusals = [Refusal(301, {"Location": f"{other.url}/one"})]
        with pytest.raises(ApiError, match="leads to another server"):
            client("github").get("one")
        api.refusals = [Refusal(301, {"Location": f"{api.url}/one"})]
        assert client("github").object("renamed") == {"n": 1}
        assert other.requests == []


def test_the_token_never_travels_unencrypted() -> None:
    with pytest.raises(ApiError, match="is not https"):
        Client("http://gitlab.example.com/api/v4", {}, GITLAB_LIMIT)
