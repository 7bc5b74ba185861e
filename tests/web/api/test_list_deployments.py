"""Listing deployments: window, limit, order, paging, and the form of what comes back."""

import random
from typing import Any

import pytest

from actors import TESTER
from asking import BARE, DEPLOYMENTS, DERIVED, SHOPIST, Tenant, make_tenant
from databases import ON_POSTGRESQL
from settling import in_every_state
from theodora.events import Deployment
from theodora.events.values import STAGE_AVERAGES
from theodora.query.fields import SORT_KEYS, Kind
from theodora.storage import TakesLong
from theodora.storage.access.keys import Keys
from theodora.storage.event_store import Events

SECOND_NS = 10**9
START = 1693491974


def at(second: int, **attributes: Any) -> dict[str, Any]:
    """A deployment that starts so many seconds after the first."""
    return {**BARE, "started_at": START + second, "finished_at": START + second + 5, **attributes}


def rfc3339(second: int, fraction: str = "") -> str:
    return f"2023-08-31T14:26:{14 + second:02d}{fraction}Z"


@ON_POSTGRESQL
def test_what_takes_long_on_the_event_loop_is_read_on_a_thread(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant.create(at(1, version="1"))
    given_up: list[str] = []

    async def give_up(name: str) -> Any:
        given_up.append(name)
        raise TakesLong

    monkeypatch.setattr(Events, "_found_soon", lambda *_: give_up("list"))
    monkeypatch.setattr(Keys, "now_soon", lambda _: give_up("keys"))
    assert versions(tenant) == [1]
    assert given_up == ["keys", "list"]


# Window and limit


@pytest.fixture
def ten(tenant: Tenant) -> Tenant:
    """Ten deployments, a second apart; the version is the second."""
    for second in range(10):
        tenant.create(at(second, version=str(second)))
    return tenant


def versions(tenant: Tenant, **attributes: Any) -> list[int]:
    return [int(found["attributes"]["version"]) for found in tenant.found(**attributes)]


@pytest.mark.parametrize(
    ("window", "expected"),
    [
        ({}, range(10)),
        ({"from": rfc3339(3)}, range(3, 10)),
        ({"to": rfc3339(3)}, range(4)),
        ({"from": rfc3339(3), "to": rfc3339(6)}, range(3, 7)),
        ({"from": rfc3339(3), "to": rfc3339(3)}, [3]),
        ({"from": rfc3339(3, ".000000001"), "to": rfc3339(6)}, range(4, 7)),
        ({"from": rfc3339(3), "to": rfc3339(5, ".999999999")}, range(3, 6)),
        ({"from": rfc3339(6), "to": rfc3339(3)}, []),
        ({"from": rfc3339(30)}, []),
        ({"from": "0001-01-01T00:00:00Z", "to": "9999-12-31T23:59:59Z"}, range(10)),
        ({"from": "2023-08-31T16:26:17+02:00"}, range(3, 10)),
        ({"from": START + 3}, range(3, 10)),
        ({"to": (START + 3) * 10**3}, range(4)),
        ({"to": (START + 3) * 10**6}, range(4)),
        ({"from": (START + 3) * 10**9 + 1, "to": (START + 6) * 10**9}, range(4, 7)),
        ({"from": float(START + 3)}, range(3, 10)),
        ({"from": START + 3, "to": rfc3339(6)}, range(3, 7)),
    ],
)
def test_both_ends_of_the_window_are_included(
    ten: Tenant, window: dict[str, Any], expected: Any
) -> None:
    answer = ten.search({"limit": 1000, **window})
    found = [int(resource["attributes"]["version"]) for resource in answer.json()["data"]]
    assert sorted(found) == list(expected)


@in_every_state
def test_the_newest_come_first_and_ten_of_them_unless_asked_otherwise(ten: Tenant) -> None:
    ten.create(at(10, version="10"))
    assert versions(ten, limit=None) == list(range(10, 0, -1))
    assert versions(ten, limit=3) == [10, 9, 8]
    assert versions(ten, limit=3, sort="started_at") == [0, 1, 2]


def test_a_thousand_is_the_most_that_one_list_holds(tenant: Tenant) -> None:
    futures = [
        tenant.built.store.deployments.add(
            tenant.built.store.keys.organisation(tenant.organisation), event, 1, actor=TESTER
        )
        for event in _many(1001)
    ]
    for future in futures:
        future.result()
    assert len(tenant.found(limit=1000)) == 1000
    assert len(tenant.found(limit=999)) == 999


def _many(count: int) -> list[Any]:
    return [
        Deployment(
            service="web",
            started_at_ns=(START + second) * SECOND_NS,
            finished_at_ns=(START + second) * SECOND_NS,
        )
        for second in range(count)
    ]


# Order

SENT_KEYS = {
    "id": lambda found: found["id"],
    "service": lambda found: found["attributes"]["service"],
    "env": lambda found: found["attributes"].get("env"),
    "team": lambda found: found["attributes"].get("team"),
    "version": lambda found: found["attributes"].get("version"),
    "source": lambda found: found["attributes"]["source"],
    "started_at": lambda found: found["attributes"]["started_at"],
    "finished_at": lambda found: found["attributes"]["finished_at"],
    "created_at": lambda found: found["attributes"]["created_at"],
    "duration": lambda found: found["attributes"]["duration"],
    "change_failure": lambda found: found["attributes"]["change_failure"],
    "deployment_type": lambda found: found["attributes"]["deployment_type"],
    "recovery_time_sec": lambda found: found["attributes"].get("recovery_time_sec"),
    "number_of_commits": lambda found: found["attributes"].get("number_of_commits"),
    "change_lead_time": lambda found: found["attributes"].get("change_lead_time"),
    **{
        each.name: lambda found, name=each.name: found["attributes"].get(name)
        for each in STAGE_AVERAGES
    },
    "repository_id": lambda found: found["attributes"].get("git", {}).get("repository_id"),
}


def in_order(resources: list[dict[str, Any]], key: str, *, descending: bool) -> list[str]:
    """What the contract says, in plain Python: ties by id, those without a value last."""
    value = SENT_KEYS[key]
    by_id = sorted(resources, key=lambda found: found["id"])
    present = [found for found in by_id if value(found) is not None]
    # Sorting in reverse leaves ties as they are.
    present.sort(key=value, reverse=descending)
    absent = [found for found in by_id if value(found) is None]
    return [found["id"] for found in (*present, *absent)]


@pytest.fixture(scope="module")
def mixed(shared_server: Any) -> Tenant:
    """Deployments that share values, lack values, and have some that sort awkwardly."""
    tenant = make_tenant(*shared_server)
    rng = random.Random(7)
    ids: list[str] = []
    for number in range(60):
        second = rng.randrange(12)
        attributes = at(
            second,
            finished_at=START + second + rng.randrange(6),
            service=rng.choice(["a", "B", "b", "é", "z", "aa", "日本", "😀", "\uffee"]),
            env=rng.choice([None, "production", "staging"]),
            team=rng.choice([None, "x", "X", "1", "10", "2"]),
            version=f"v{number}",
            git=rng.choice(
                [
                    None,
                    *(
                        {
                            "commit_sha": sha * 40,
                            "repository_url": f"https://{host}.com/a",
                        }
                        for sha, host in (("a", "github"), ("b", "Gitlab"))
                    ),
                ]
            ),
        )
        ids.append(tenant.create(attributes))
    for number, id_ in enumerate(ids):
        remedy = {"type": "rollback", "id": ids[number - 7]}
        failed = {"change_failure": True, "remediation": remedy}
        verdict = {0: failed, 1: {"change_failure": False}, 2: {"change_failure": True}}
        if number % 4 < 3:
            assert tenant.patch(id_, verdict[number % 4]).status_code == 202
    return tenant


@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("prefix", ["", "@"])
@pytest.mark.parametrize("key", SENT_KEYS)
def test_every_sort_key_orders_as_the_contract_says(
    mixed: Tenant, key: str, prefix: str, descending: bool
) -> None:
    found = mixed.found(sort=f"{'-' if descending else ''}{prefix}{key}")
    assert len(found) == 60
    assert [resource["id"] for resource in found] == in_order(found, key, descending=descending)


@pytest.mark.parametrize("sort", ["env", "-team", "duration", "-recovery_time_sec", "-started_at"])
@pytest.mark.parametrize("query", ["*", "env:production", "-env:staging", "service:(a OR b)"])
def test_a_limit_cuts_the_same_order_short(mixed: Tenant, sort: str, query: str) -> None:
    everything = mixed.ids(sort=sort, query=query)
    for limit in (1, 2, 7, len(everything)):
        assert mixed.ids(sort=sort, query=query, limit=limit) == everything[:limit]


def test_every_sort_key_of_the_contract_is_tried() -> None:
    assert set(SENT_KEYS) == set(SORT_KEYS[Kind.DEPLOYMENT])


# Paging


@pytest.mark.parametrize("limit", [13, 20, 59])
@pytest.mark.parametrize("query", [None, "env:(production OR staging)"])
@pytest.mark.parametrize("timestamps", ["rfc3339", "unix_ns"])
def test_sliding_to_finds_everything_exactly_once(
    mixed: Tenant, limit: int, query: str | None, timestamps: str
) -> None:
    """The overlap of a page is what the page before had of the same instant."""
    expected = mixed.ids(query=query)
    found: list[str] = []
    to: str | int | None = None
    while True:
        answer = mixed.search(
            {"limit": limit, "query": query, "to": to}, params={"timestamps": timestamps}
        )
        page = answer.json()["data"]
        found += [resource["id"] for resource in page if resource["id"] not in found]
        last = page[-1]["attributes"]["started_at"]
        if len(page) < limit or last == to:
            break
        to = last
    assert found == expected


# What comes back


def test_a_resource_with_everything_is_written_byte_by_byte_like_this(tenant: Tenant) -> None:
    remedy = tenant.create(
        {**SHOPIST, "id": "the-remedy-of-it", "started_at": 1693492074, "finished_at": 1693492084}
    )
    id_ = tenant.create({**SHOPIST, "id": "08a3dbc57bb781a5", "team": "équipe <&>"})
    remediation = {"id": remedy, "type": "rollback"}
    tenant.patch(id_, {"change_failure": True, "remediation": remediation})
    created_at = tenant.get(id_)["created_at"]
    deployment_type = tenant.get(id_)["deployment_type"]
    attributes = (
        '{"service":"shopist","started_at":1693491974000000000,'
        '"finished_at":1693491984000000000,"env":"production","team":"équipe <&>",'
        '"version":"v1.12.07","git":{"commit_sha":"66adc9350f2cc9b250b69abddab733dd55e1a588",'
        '"repository_id":"github.com/organization/example-repository",'
        '"repository_url":"https://github.com/organization/example-repository"},'
        '"custom_tags":["language:java","department:engineering","region:us-east-1"],'
        f'"change_failure":true,"deployment_type":"{deployment_type}",'
        '"remediation":{"id":"the-remedy-of-it","type":"rollback"},"recovery_time_sec":100,'
        f'"duration":10,"source":"api","created_at":{created_at}}}'
    )
    resource = f'{{"id":"08a3dbc57bb781a5","type":"dora_deployment","attributes":{attributes}}}'
    listed = tenant.search({"to": "2023-08-31T14:26:14Z"})
    assert listed.content.decode() == f'{{"data":[{resource}]}}'
    assert listed.headers["content-type"] == "application/vnd.api+json"
    got = tenant.ask("GET", f"{DEPLOYMENTS}/{id_}")
    assert got.content.decode() == f'{{"data":{resource}}}'


def test_attributes_without_a_value_are_left_out(tenant: Tenant) -> None:
    id_ = tenant.create(BARE)
    [resource] = tenant.found()
    assert list(resource) == ["id", "type", "attributes"]
    assert set(resource["attributes"]) - DERIVED == {
        *("service", "started_at", "finished_at", "duration", "source", "created_at")
    }
    assert {"change_failure", "deployment_type"} <= set(resource["attributes"])
    assert "remediation" not in resource["attributes"]
    assert tenant.get(id_) == resource["attributes"]


def test_the_answer_to_a_create_holds_id_and_type_alone(tenant: Tenant) -> None:
    answer = tenant.send({**BARE, "id": "0123456789abcdef"})
    assert answer.content == b'{"data":{"id":"0123456789abcdef","type":"dora_deployment"}}'


@pytest.mark.parametrize(
    ("duration_ns", "seconds"),
    [(0, 0), (499_999_999, 0), (500_000_000, 1), (10_500_000_000, 11), (10_499_999_999, 10)],
)
def test_the_duration_is_rounded_to_seconds_halves_up(
    tenant: Tenant, duration_ns: int, seconds: int
) -> None:
    start = START * SECOND_NS
    id_ = tenant.create({**BARE, "started_at": start, "finished_at": start + duration_ns})
    assert tenant.get(id_)["duration"] == seconds


@pytest.mark.parametrize(
    ("nanoseconds", "written"),
    [
        (0, "2023-08-31T14:26:14Z"),
        (500_000_000, "2023-08-31T14:26:14.500Z"),
        (1_000, "2023-08-31T14:26:14.000001Z"),
        (1, "2023-08-31T14:26:14.000000001Z"),
    ],
)
def test_both_forms_hold_every_nanosecond(tenant: Tenant, nanoseconds: int, written: str) -> None:
    instant = START * SECOND_NS + nanoseconds
    id_ = tenant.create({**BARE, "started_at": instant, "finished_at": instant})
    for form, expected in (("unix_ns", instant), ("rfc3339", written)):
        got = tenant.ask("GET", f"{DEPLOYMENTS}/{id_}", params={"timestamps": form})
        listed = tenant.search({}, params={"timestamps": form})
        assert got.json()["data"]["attributes"]["started_at"] == expected
        assert listed.json()["data"][0]["attributes"]["finished_at"] == expected


def test_credentials_of_a_repository_never_come_back(tenant: Tenant) -> None:
    git = {**SHOPIST["git"], "repository_url": "https://ci-token:s3cret@gitlab.example.com/a/b.git"}
    id_ = tenant.create({**SHOPIST, "git": git})
    assert tenant.get(id_)["git"] == {
        "commit_sha": git["commit_sha"],
        "repository_id": "gitlab.example.com/a/b",
        "repository_url": "https://gitlab.example.com/a/b.git",
    }
    assert tenant.ids(query="s3cret") == []
