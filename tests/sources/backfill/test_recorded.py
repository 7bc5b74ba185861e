"""Answers that providers' APIs gave to others, served again: each becomes facts or has a reason."""

import csv
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from actors import TESTER
from databases import ON_SQLITE
from payloads import FOLDER
from provider_api import TOKEN, Json, ProviderApi, serve_api
from theodora.sources.backfill.client import Client
from theodora.sources.backfill.github import GITHUB_LIMIT, github_headers, github_streams
from theodora.sources.backfill.gitlab import GITLAB_LIMIT, gitlab_headers, gitlab_streams
from theodora.sources.backfill.pagerduty import (
    PAGERDUTY_LIMIT,
    pagerduty_headers,
    pagerduty_streams,
)
from theodora.sources.backfill.run import Backfill, BackfillSummary
from theodora.sources.backfill.streams import Extent
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings
from theodora.sources.webhooks.read import encode_settings
from theodora.storage import Organisation, Store

pytestmark = [
    ON_SQLITE,
    pytest.mark.skipif(
        not (FOLDER / "github" / "api").exists(), reason="there are no recorded answers of APIs"
    ),
]
YEAR_NS = 365 * 86_400 * 10**9
SHOP = "panjf2000/ants"
PROVIDERS: Mapping[str, Any] = {
    "github": (github_streams, github_headers, GITHUB_LIMIT),
    "gitlab": (gitlab_streams, gitlab_headers, GITLAB_LIMIT),
    "pagerduty": (pagerduty_streams, pagerduty_headers, PAGERDUTY_LIMIT),
}


def rows(provider: str, name: str) -> Iterator[tuple[str, Json]]:
    """What was asked for, without the query, and what came."""
    csv.field_size_limit(sys.maxsize)
    folder: Path = FOLDER / provider / "api"
    with (folder / f"_raw_{provider}_{name}.csv").open() as file:
        for row in csv.DictReader(file):
            yield row["url"].partition("?")[0], msgspec.json.decode(row["data"])


def lists(provider: str, name: str, until: str) -> dict[str, list[Json]]:
    """Lists by their paths, which begin after `until`."""
    found: dict[str, list[Json]] = defaultdict(list)
    for url, each in rows(provider, name):
        found[url.partition(until)[2]].append(each)
    return found


def read_all(
    store: Store,
    provider: str,
    target: str,
    answers: dict[str, Any],
    settings: SourceSettings = DEFAULT_SETTINGS,
    member: Mapping[str, str] | None = None,
    since_ns: int = 46 * YEAR_NS,
    until_ns: int = 57 * YEAR_NS,
) -> tuple[Organisation, BackfillSummary]:
    org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
    streams, headers, limit = PROVIDERS[provider]
    source = store.sources.add(
        org, provider, provider, encode_settings(settings), 1, actor=TESTER
    ).result()
    backfill = Backfill(store, source, actor=TESTER)
    extent = Extent(target, settings, since_ns, until_ns)
    with (
        serve_api(ProviderApi(answers, per_page=20, member=member or {})) as api,
        closing(Client(api.url, headers(TOKEN), limit)) as client,
    ):
        for _ in backfill.run(client, streams, extent):
            pass
    return org, backfill.summary


def test_pull_requests_and_workflow_runs_of_github(store: Store) -> None:
    requests = {each["number"]: each for _, each in rows("github", "api_pull_requests")}
    reviews = lists("github", "api_pull_request_reviews", "api.github.com")
    runs = [each for _, each in rows("github", "api_runs")]
    path = f"/repos/{SHOP}"
    answers: dict[str, Any] = {
        path: {**runs[0]["repository"], "default_branch": "master"},
        f"{path}/pulls": [*requests.values()],
        f"{path}/deployments": [],
        f"{path}/actions/runs": runs,
        **{f"{path}/pulls/{number}": each for number, each in requests.items()},
        **{f"{path}/pulls/{number}/reviews": [] for number in requests},
        **reviews,
    }
    settings = SourceSettings(service="ants", env="production", workflows=("Tests", "CodeQL"))
    member = {f"{path}/actions/runs": "workflow_runs"}
    org, summary = read_all(store, "github", SHOP, answers, settings, member)
    assert summary.failed == {}
    assert summary.ignored["the workflow ran for a pull request"] > 0
    found = store.commits.repository(org, f"github.com/{SHOP}").pull_requests
    assert {each.number for each in found} == requests.keys()
    merged = {number for number, each in requests.items() if each["merged_at"]}
    assert {each.number for each in found if each.merged_at_ns} == merged
    assert all(each.merge_commit_sha for each in found if each.merged_at_ns)
    deployed = [*store.deployments.everything(org)]
    assert deployed
    assert {each.service for each in deployed} == {"ants"}


def test_merge_requests_deployments_and_issues_of_gitlab(store: Store) -> None:
    root = "/projects/12345678"
    requests = [each for _, each in rows("gitlab", "api_merge_requests")]
    # The notes are of other merge requests: one of them gets those with approvals.
    requests.append({**requests[0], "iid": 37})
    notes = lists("gitlab", "api_merge_request_notes", "gitlab.com/api/v4")
    issues = [each for _, each in rows("gitlab", "api_issues")]
    details = [each for _, each in rows("gitlab", "api_pipeline_details")]
    answers: dict[str, Any] = {
        root: {
            "path_with_namespace": "acme/shop",
            "web_url": "https://gitlab.com/acme/shop",
            "default_branch": "master",
        },
        f"{root}/merge_requests": requests,
        **{f"{root}/merge_requests/{each['iid']}/notes": [] for each in requests},
        **notes,
        f"{root}/deployments": [each for _, each in rows("gitlab", "api_deployments")],
        f"{root}/pipelines": [each for _, each in rows("gitlab", "api_pipeline")],
        **{f"{root}/pipelines/{each['id']}": each for each in details},
        f"{root}/issues": issues,
        **{f"{root}/issues/{each['iid']}/resource_state_events": [] for each in issues},
    }
    settings = SourceSettings(workflows=("acme/shop",), branches=("never",), env="production")
    org, summary = read_all(store, "gitlab", "12345678", answers, settings)
    assert summary.failed == {}
    assert summary.ignored["the issue is no incident"] == len(issues)
    assert summary.ignored["the status undeployed does not change a deployment"] == 1
    found = store.commits.repository(org, "gitlab.com/acme/shop").pull_requests
    assert len(found) == len(requests)
    assert sum(each.merged_at_ns is not None for each in found) == sum(
        each["state"] == "merged" for each in requests
    )
    assert any(each.last_approved_at_ns for each in found)
    assert [each.env for each in store.deployments.everything(org)] == ["staging"]


def test_incidents_of_pagerduty(store: Store) -> None:
    incidents = [each for _, each in rows("pagerduty", "incidents")]
    paths = {f"/incidents/{each['id']}/log_entries": each["log_entries"] for each in incidents}
    answers: dict[str, Any] = {"/incidents": incidents, **paths}
    member = {"/incidents": "incidents", **dict.fromkeys(paths, "log_entries")}
    begin = 1_667_260_800 * 10**9
    org, summary = read_all(
        store, "pagerduty", "", answers, member=member, since_ns=begin, until_ns=begin + 1
    )
    assert (summary.ignored, summary.failed) == ({}, {})
    found = {each.name: each for each in store.failures.everything(org)}
    assert found.keys() == {each["title"] for each in incidents}
    assert {name for name, each in found.items() if each.time_to_restore} == {"Spamming logs"}
