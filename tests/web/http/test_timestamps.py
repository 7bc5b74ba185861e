"""Which form of instants a client gets: parameter, then setting, then User-Agent."""

from collections.abc import Iterator
from typing import Any

import pytest

from asking import BARE, DEPLOYMENTS, FAILURE, FAILURES, Tenant, make_tenant, server_in_process
from databases import ON_SQLITE

pytestmark = ON_SQLITE

UNIX_NS = 1693491974000000000
RFC3339 = "2023-08-31T14:26:14Z"


def agent(language: str, version: str) -> str:
    return f"datadog-api-client-{language}/{version} (x 1.2; os linux)"


USER_AGENTS: list[tuple[str, Any]] = [
    *((agent(language, version), UNIX_NS) for language, version in (
        *(("python", "2.57.0"), ("java", "2.57.9"), ("typescript", "1.60.0"), ("go", "2.62.0")),
        *(("ruby", "2.56.99"), ("rust", "0.33.0"), ("python", "1.99.0"), ("rust", "0.9.0")),
    )),
    *((agent(language, version), RFC3339) for language, version in (
        *(("python", "2.58.0"), ("java", "2.58.0"), ("typescript", "1.61.0"), ("go", "2.63.0")),
        *(("ruby", "2.57.0"), ("rust", "0.34.0"), ("python", "2.100.0"), ("python", "3.0.0")),
        *(("rust", "1.0.0"), ("python", "2.58.0-beta.1"), ("python", "2.58")),
    )),
    ("our-tool/1.0 datadog-api-client-python/2.62.0 more", RFC3339),
    ("datadog-api-client-python/2.57.0 datadog-api-client-go/2.63.0", UNIX_NS),
    ("datadog-api-client-python/2", UNIX_NS),
    ("datadog-api-client-python/x.y", UNIX_NS),
    ("datadog-api-client-cobol/9.9.9", UNIX_NS),
    ("Datadog-Api-Client-Python/2.62.0", UNIX_NS),
    ("datadog-api-client-python/" + "9" * 5000 + ".1", UNIX_NS),
    ("curl/8.5.0", UNIX_NS),
    ("", UNIX_NS),
]  # fmt: skip


def started_at(tenant: Tenant, user_agent: str, params: dict[str, str]) -> set[Any]:
    """The start of the one event as every operation that shows it writes it."""
    asked = {"headers": {"User-Agent": user_agent}, "params": params}
    found: set[Any] = set()
    for path in (DEPLOYMENTS, FAILURES):
        listed = tenant.search({}, path, **asked).json()["data"]
        got = tenant.ask("GET", f"{path}/{listed[0]['id']}", **asked).json()["data"]
        for resource in (*listed, got):
            assert type(resource["attributes"]["created_at"]) is type(
                resource["attributes"]["started_at"]
            )
            found.add(resource["attributes"]["started_at"])
    return found


def with_events(tenant: Tenant) -> Tenant:
    tenant.create(BARE)
    tenant.create({"services": ["shopist"], "started_at": 1693491974}, FAILURE)
    return tenant


@pytest.fixture(scope="module")
def filled(shared_server: Any) -> Tenant:
    return with_events(make_tenant(*shared_server))


@pytest.mark.parametrize(("user_agent", "expected"), USER_AGENTS)
def test_the_version_of_the_client_decides(filled: Tenant, user_agent: str, expected: Any) -> None:
    assert started_at(filled, user_agent, {}) == {expected}
    assert started_at(filled, user_agent, {"timestamps": "auto"}) == {expected}


@pytest.mark.parametrize("user_agent", [agent("python", "2.57.0"), agent("python", "2.62.0"), ""])
def test_the_parameter_goes_before_the_version(filled: Tenant, user_agent: str) -> None:
    assert started_at(filled, user_agent, {"timestamps": "unix_ns"}) == {UNIX_NS}
    assert started_at(filled, user_agent, {"timestamps": "rfc3339"}) == {RFC3339}


@pytest.fixture(scope="module", params=["unix_ns", "rfc3339"])
def fixed(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Tenant, Any]]:
    """A server whose setting says one form, and that form."""
    folder = tmp_path_factory.mktemp("fixed")
    with server_in_process(folder, timestamps=request.param) as server:
        expected = UNIX_NS if request.param == "unix_ns" else RFC3339
        yield with_events(make_tenant(*server)), expected


@pytest.mark.parametrize("user_agent", [agent("python", "2.57.0"), agent("python", "2.62.0"), ""])
def test_the_setting_goes_before_the_version_and_after_the_parameter(
    fixed: tuple[Tenant, Any], user_agent: str
) -> None:
    tenant, expected = fixed
    assert started_at(tenant, user_agent, {}) == {expected}
    assert started_at(tenant, user_agent, {"timestamps": "auto"}) == {expected}
    assert started_at(tenant, user_agent, {"timestamps": "unix_ns"}) == {UNIX_NS}
    assert started_at(tenant, user_agent, {"timestamps": "rfc3339"}) == {RFC3339}


@pytest.mark.parametrize("path", [DEPLOYMENTS, FAILURES])
def test_caches_are_told_that_the_form_varies(filled: Tenant, path: str) -> None:
    listed = filled.search({}, path)
    got = filled.ask("GET", f"{path}/{listed.json()['data'][0]['id']}")
    for answer in (listed, got):
        assert answer.headers["vary"] == "User-Agent"
