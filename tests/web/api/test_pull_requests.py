"""Pull requests over the API: listed page by page, one of them, and their metrics."""

import csv
import io
from typing import Any

import pytest

from actors import TESTER
from asking import Tenant
from databases import ON_SQLITE
from theodora.dora import Commit, PullRequest
from theodora.events import Deployment, Git

pytestmark = ON_SQLITE
"""What the store finds is tested on each kind of database: here how it is asked and answered."""

HOUR_NS = 3_600 * 10**9
START_NS = 1_700_000_000 * 10**9
SHOP = "github.com/acme/shop"
LIST = "/api/v2/dora/pull_requests"
METRICS = "/api/v2/dora/pull_request_metrics"
PERIOD = {"from": "2023-11-14", "to": "2023-11-16"}


def at(hour: float) -> int:
    return START_NS + int(hour * HOUR_NS)


def sha(number: int) -> str:
    return f"{number:040x}"


def commit(number: int, hour: float, *parents: int) -> Commit:
    return Commit(
        sha=sha(number),
        parents=tuple(map(sha, parents)),
        author_time_ns=at(hour),
        commit_time_ns=at(hour),
        author_name="Ada",
    )


def tell(tenant: Tenant) -> None:
    """Request 1 is merged and shipped after two hours; 2 is open, and 3 a bot's."""
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    store.commits.add_commits(org, SHOP, [commit(1, 0), commit(10, 5, 1)], actor=TESTER).result()
    merged = PullRequest(
        number=1,
        title="Show delivery dates",
        author="ada",
        base="main",
        branch="dates",
        url=f"https://{SHOP}/pull/1",
        labels=("cart",),
        reviewers=("bo",),
        additions=30,
        deletions=12,
        commits=(commit(2, 1),),
        created_at_ns=at(2),
        first_reviewed_at_ns=at(3),
        last_approved_at_ns=at(4),
        merged_at_ns=at(5),
        merge_commit_sha=sha(10),
        merge_method="squash",
    )
    requests = (
        merged,
        PullRequest(number=2, title="Try an index", author="bo", created_at_ns=at(3)),
        PullRequest(number=3, author="renovate[bot]", created_at_ns=at(4), merged_at_ns=at(4)),
    )
    store.commits.add_pull_requests(org, SHOP, requests, actor=TESTER).result()
    for id_, hour, head in (("v1", 0.5, 1), ("v2", 7, 10)):
        event = Deployment(
            id=f"shop-deployment-{id_}",
            service="shop",
            env="production",
            version=id_,
            started_at_ns=at(hour),
            finished_at_ns=at(hour + 0.5),
            git=Git(sha(head), f"https://{SHOP}"),
        )
        store.deployments.add(org, event, 1, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)


def listed(tenant: Tenant, **attributes: Any) -> Any:
    data = {"type": "dora_pull_requests_list_request", "attributes": attributes}
    return tenant.post(LIST, json={"data": data})


def numbers(answer: Any) -> list[int]:
    assert answer.status_code == 200, answer.text
    return [each["attributes"]["number"] for each in answer.json()["data"]]


def test_requests_are_listed_last_updated_first_and_page_by_page(tenant: Tenant) -> None:
    tell(tenant)
    assert numbers(listed(tenant)) == [1, 3, 2]
    first = listed(tenant, limit=2, sort="number")
    assert numbers(first) == [1, 2]
    cursor = first.headers["x-next-cursor"]
    last = listed(tenant, limit=2, sort="number", cursor=cursor)
    assert numbers(last) == [3]
    assert "x-next-cursor" not in last.headers
    assert numbers(listed(tenant, to="2023-11-15T01:30:00Z")) == [2]
    search = "author:ada state:merged service:shop cycle_time:4h label:cart"
    assert numbers(listed(tenant, query=search)) == [1]


@pytest.mark.parametrize(
    ("ends", "found"),
    [
        ({"from": "0499-03-05T06:42:26-00:52"}, [1, 3, 2]),
        ({"to": "9999-12-31T00:00:00Z"}, [1, 3, 2]),
        ({"from": "9999-01-01T00:00:00Z", "to": "9999-12-31T00:00:00Z"}, []),
        ({"from": "0001-01-01T00:00:00Z", "to": "0499-03-05T06:42:26Z"}, []),
    ],
)
def test_a_period_may_begin_and_end_at_any_time(
    tenant: Tenant, ends: dict[str, str], found: list[int]
) -> None:
    """No stored instant is beyond the years of int64 nanoseconds, and the ends may be."""
    tell(tenant)
    assert numbers(listed(tenant, **ends)) == found


def test_a_request_has_its_stages_and_what_shipped_it(tenant: Tenant) -> None:
    tell(tenant)
    found = tenant.ask("GET", f"{LIST}/github.com:acme:shop:1?timestamps=rfc3339").json()["data"]
    attributes = found["attributes"]
    assert (found["id"], found["type"]) == ("github.com:acme:shop:1", "dora_pull_request")
    assert (attributes["state"], attributes["merged_at"]) == ("merged", "2023-11-15T03:13:20Z")
    stages = ("cycle_time", "time_to_ready", "review_time", "merge_time", "time_to_deploy")
    assert [attributes[name] for name in stages] == [14_400, 3_600, 7_200, 3_600, 7_200]
    assert [each["id"] for each in attributes["deployments"]] == ["shop-deployment-v2"]
    missing = tenant.ask("GET", f"{LIST}/github.com:acme:shop:9")
    assert missing.status_code == 404
    assert missing.json()["errors"][0]["detail"] == "pull request does not exist"


@pytest.mark.parametrize(
    ("attributes", "detail"),
    [
        ({"sort": "started_at"}, 'attribute "sort" must be one of "updated_at opened_at '),
        ({"query": "cycle_time:>soon"}, "expected a duration"),
    ],
)
def test_a_list_that_cannot_be_is_refused(
    tenant: Tenant, attributes: dict[str, Any], detail: str
) -> None:
    answer = listed(tenant, **attributes)
    assert answer.status_code == 400
    assert detail in answer.json()["errors"][0]["detail"]


def test_metrics_are_of_the_period_by_group_and_interval(tenant: Tenant) -> None:
    tell(tenant)
    asked = {**PERIOD, "group_by": "service", "interval": "day"}
    answer = tenant.ask("GET", METRICS, params=asked).json()
    total, group = answer["data"]
    assert (total["id"], group["id"], group["type"]) == (
        "total",
        "service:shop",
        "dora_pull_request_metrics",
    )
    figures = group["attributes"]["total"]
    assert (figures["merged"], figures["deployed"]) == (1, 1)
    assert (figures["cycle_time"]["n"], figures["cycle_time"]["p50"]) == (1, 14_400)
    assert figures["time_to_deploy"]["p50"] == 7_200
    assert figures["lines"]["mean"] == 42
    assert figures["deployed_per_author_and_day"]["value"] == 0.5
    assert [each["metrics"]["merged"] for each in group["attributes"]["series"]] == [0, 1]
    assert group["attributes"]["previous"]["cycle_time"] == {
        "n": 0,
        **dict.fromkeys(("mean", "p50", "p75", "p90", "p95")),
    }
    assert answer["meta"]["bots"] is False
    with_bots = tenant.ask("GET", METRICS, params={**PERIOD, "bots": "true"}).json()
    assert with_bots["data"][0]["attributes"]["total"]["merged"] == 2


def test_metrics_come_as_a_table_too(tenant: Tenant) -> None:
    tell(tenant)
    asked = {**PERIOD, "group_by": "service", "format": "csv"}
    rows = list(csv.DictReader(io.StringIO(tenant.ask("GET", METRICS, params=asked).text)))
    assert [(row["id"], row["row"], row["cycle_time.p50"]) for row in rows] == [
        ("total", "total", "14400.0"),
        ("total", "previous", ""),
        ("service:shop", "total", "14400.0"),
        ("service:shop", "previous", ""),
    ]


@pytest.mark.parametrize(
    ("parameters", "detail"),
    [
        ({"group_by": "author"}, 'parameter "group_by" must be different ones of "service team'),
        ({"bots": "yes"}, 'parameter "bots" must be one of "true false"'),
        ({"query": "lines:>many"}, "expected a number"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(
    tenant: Tenant, parameters: dict[str, str], detail: str
) -> None:
    answer = tenant.ask("GET", METRICS, params={**PERIOD, **parameters})
    assert answer.status_code == 400
    assert detail in answer.json()["errors"][0]["detail"]
