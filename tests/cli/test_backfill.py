"""`theodora backfill` against a provider's API on loopback, beside webhooks, killed and resumed."""

import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from actors import TESTER
from commands import run
from databases import ON_EACH, ON_SQLITE
from deliveries import (
    REPOSITORY,
    REPOSITORY_ID,
    Delivery,
    at,
    body_of,
    deployment,
    incident,
    ns,
    pull_request,
    review,
    sha,
    status,
)
from provider_api import TOKEN, Json, ProviderApi, Refusal, serve_api
from theodora.events import Failure
from theodora.sources.webhooks.worker import InboxWorker
from theodora.storage import InboxQuery, Store

pytestmark = ON_SQLITE
SHOP = "/repos/acme/shop"
DOCS = Path(__file__).parents[2] / "docs" / "sources.md"

MERGED = pull_request(
    1,
    "closed",
    5,
    merged_at=at(5),
    merge_commit_sha=sha(9),
    head={"ref": "change-1", "sha": sha(8)},
    commits=2,
).payload["pull_request"]
OPEN = [pull_request(number, "opened", number).payload["pull_request"] for number in (3, 2)]
FIRST, SECOND = deployment(1, 9, 6), deployment(2, 10, 8)
HISTORY: Sequence[Delivery] = [
    pull_request(1, "opened", 1),
    review(1, "approved", 4),
    Delivery(
        {"x-github-event": "pull_request"}, {"pull_request": MERGED, "repository": REPOSITORY}
    ),
    *(pull_request(number, "opened", number) for number in (2, 3)),
    status(FIRST, "in_progress", 6.1),
    status(FIRST, "success", 6.2),
    status(SECOND, "failure", 8.5),
    status(SECOND, "success", 9),
]
"""What GitHub's webhooks sent of the same things."""


def statuses(*states: tuple[str, float]) -> list[Json]:
    return [
        status(FIRST, state, hour).payload["deployment_status"] for state, hour in reversed(states)
    ]


def github_answers() -> dict[str, Any]:
    listed = {name: value for name, value in MERGED.items() if name != "commits"}
    reviews = [
        {"id": 1, "state": "APPROVED", "submitted_at": at(4)},
        {"id": 2, "state": "COMMENTED", "submitted_at": at(4.5)},
    ]
    return {
        SHOP: REPOSITORY,
        f"{SHOP}/pulls": [listed, *OPEN],
        f"{SHOP}/pulls/1": MERGED,
        f"{SHOP}/pulls/1/reviews": reviews,
        **{f"{SHOP}/pulls/{number}/reviews": [] for number in (2, 3)},
        f"{SHOP}/deployments": [SECOND, FIRST],
        f"{SHOP}/deployments/1/statuses": statuses(
            ("in_progress", 6.1), ("success", 6.2), ("inactive", 9)
        ),
        f"{SHOP}/deployments/2/statuses": statuses(("failure", 8.5), ("success", 9)),
    }


@pytest.fixture
def api() -> Iterator[ProviderApi]:
    with serve_api(ProviderApi(github_answers())) as api:
        yield api


def add_source(database: str, kind: str, *settings: str) -> None:
    lines = [part for line in settings for part in ("--set", line)]
    assert run("sources", "add", kind, *lines, "--database", database).exit_code == 0


def backfill(database: str, api: ProviderApi, *arguments: str, exit_code: int = 0) -> Result:
    kind, *others = arguments
    since = () if "--since" in others else ("--since", "2026-02-01")
    result = run(
        *("backfill", kind, *others, *since, "--url", api.url, "--database", database),
        THEODORA_BACKFILL_TOKEN=TOKEN,
    )
    assert TOKEN not in result.output
    assert result.exit_code == exit_code, result.output
    return result


def known(database: str, repository_id: str = REPOSITORY_ID) -> list[Any]:
    """Deployments, failures and pull requests, apart from when they came in."""
    with Store(database) as store:
        org = store.keys.organisation("default")
        events = [*store.deployments.everything(org), *store.failures.everything(org)]
        lines = [
            (
                *(
                    each.id,
                    repr(each.git),
                    each.severity if isinstance(each, Failure) else each.version,
                ),
                *(each.started_at_ns, each.finished_at_ns, each.env, repr(each.custom_tags)),
            )
            for each in events
        ]
        repository = store.commits.repository(org, repository_id)
        return [*sorted(lines), *sorted(repr(each) for each in repository.pull_requests)]


def receive(database: str, deliveries: Sequence[Delivery], kind: str = "github") -> None:
    """Has webhooks come in."""
    with Store(database) as store:
        org = store.keys.organisation("default")
        (source,) = store.sources.all_of(org)
        for each in deliveries:
            store.inbox.receive(
                org, kind, source.id, each.headers, body_of(each), 1, actor=TESTER
            ).result()
        while InboxWorker(store, 30).work_off():
            pass


@ON_EACH
def test_history_is_read_with_its_reasons(database: str, api: ProviderApi) -> None:
    add_source(database, "github", "service=shop")
    result = backfill(database, api, "github", "acme/shop")
    assert result.stdout.splitlines() == [
        "11 read, 1 ignored, 0 failed",
        "  1 ignored: the status inactive does not change a deployment",
    ]
    with Store(database) as store:
        org = store.keys.organisation("default")
        found = sorted(store.deployments.everything(org), key=lambda each: each.id)
        repository = store.commits.repository(org, REPOSITORY_ID)
    assert [(each.service, each.started_at_ns, each.finished_at_ns) for each in found] == [
        ("shop", ns(6.1), ns(6.2)),
        ("shop", ns(8), ns(9)),
    ]
    merged = next(each for each in repository.pull_requests if each.number == 1)
    assert (merged.merged_at_ns, merged.last_approved_at_ns) == (ns(5), ns(4))
    assert (merged.merge_commit_sha, merged.commit_count) == (sha(9), 2)
    assert len(repository.pull_requests) == 3


@pytest.mark.parametrize("order", ["before", "after", "without"])
def test_webhooks_make_no_difference_to_history(
    database: str, api: ProviderApi, tmp_path: Path, order: str
) -> None:
    add_source(database, "github", "service=shop")
    receive(database, HISTORY)
    alone = known(database)
    other = f"sqlite:///{tmp_path / 'other.db'}"
    add_source(other, "github", "service=shop")
    if order == "before":
        receive(other, HISTORY)
    backfill(other, api, "github", "acme/shop")
    if order == "after":
        receive(other, HISTORY[::-1])
    backfill(other, api, "github", "acme/shop")
    assert known(other) == alone


def test_a_run_that_is_killed_goes_on_where_it_stopped(database: str, api: ProviderApi) -> None:
    add_source(database, "github", "service=shop")
    command = [sys.executable, "-m", "theodora", "backfill", "github", "acme/shop"]
    options = ["--since", "2026-02-01", "--url", api.url, "--database", database]
    environment = {**os.environ, "THEODORA_BACKFILL_TOKEN": TOKEN}
    process = subprocess.Popen([*command, *options], env=environment, stderr=subprocess.DEVNULL)
    # It comes after the pull requests, in the page of deployments that is being read.
    api.kill_at = f"{SHOP}/deployments/2/statuses"
    api.kill = lambda: process.send_signal(signal.SIGKILL)
    assert process.wait(60) == -signal.SIGKILL
    before = len(api.requests)
    result = backfill(database, api, "github", "acme/shop", "--resume", "--since", "2020-01-01")
    resumed = api.requests[before:]
    assert f"{SHOP}/pulls/1" not in resumed
    assert any(f"{SHOP}/pulls?" in each and "page=2" in each for each in resumed)
    assert result.stdout.startswith("7 read, 1 ignored")
    complete = known(database)
    receive(database, HISTORY)
    assert known(database) == complete
    assert len(complete) == 5


def test_an_api_that_ends_says_how_to_go_on(database: str, api: ProviderApi) -> None:
    add_source(database, "github", "service=shop")
    api.stop_after = 6
    result = backfill(database, api, "github", "acme/shop", exit_code=1)
    assert "--resume" in result.output
    assert "may not read it" in result.output
    api.stop_after = None
    backfill(database, api, "github", "acme/shop", "--resume")
    assert len(known(database)) == 5


def test_lists_that_were_complete_are_not_read_again(database: str, api: ProviderApi) -> None:
    add_source(database, "github", "service=shop")
    api.per_page = 1
    missing = api.answers.pop(f"{SHOP}/deployments/1/statuses")
    backfill(database, api, "github", "acme/shop", exit_code=1)
    api.answers[f"{SHOP}/deployments/1/statuses"] = missing
    before = len(api.requests)
    backfill(database, api, "github", "acme/shop", "--resume")
    assert not any("/pulls" in each for each in api.requests[before:])
    assert len(known(database)) == 5


def test_older_pages_are_not_asked_for(database: str, api: ProviderApi) -> None:
    old = [
        pull_request(number, "closed", -24 * number, state="closed").payload["pull_request"]
        for number in range(10, 20)
    ]
    api.answers[f"{SHOP}/pulls"] += old
    add_source(database, "github", "service=shop")
    backfill(database, api, "github", "acme/shop", "--since", "2026-03-01")
    assert sum("/pulls?" in each for each in api.requests) == 2
    assert len(known(database)) == 5


def test_workflows_and_releases_are_read_if_the_settings_name_them(
    database: str, api: ProviderApi
) -> None:
    run_of = {
        "id": 7,
        "name": "Deploy",
        "head_branch": "main",
        "event": "push",
        "conclusion": "success",
        "head_sha": sha(11),
        "created_at": at(10),
        "run_started_at": at(10),
        "updated_at": at(10.2),
    }
    release = {"id": 5, "tag_name": "v1.2.0", "prerelease": False, "created_at": at(11)}
    path = f"{SHOP}/actions/runs"
    api.answers |= {
        path: [run_of, {**run_of, "id": 6, "head_branch": "other"}],
        f"{SHOP}/releases": [{**release, "published_at": at(12)}, {**release, "id": 4}],
    }
    api.member = {path: "workflow_runs"}
    add_source(database, "github", "service=shop", "workflows=Deploy", "releases=yes", "env=prod")
    result = backfill(database, api, "github", "acme/shop")
    assert 'the workflow ran on the branch "other"' in result.stdout
    assert "a release that is created deploys nothing" in result.stdout
    assert {line[0].rpartition(":")[2] for line in known(database)[:4]} == {
        *("1", "2", "run-7", "release-5")
    }


def test_the_times_at_which_drafts_became_ready_are_asked_for(
    database: str, api: ProviderApi
) -> None:
    """They are what the webhook says, which has the same time."""
    events = [("ready_for_review", 2), ("convert_to_draft", 2.5), ("ready_for_review", 3)]
    path = f"{SHOP}/issues"
    listed = [{"event": name, "created_at": at(hour)} for name, hour in (*events, ("labeled", 4))]
    api.answers |= {f"{path}/1/events": listed, f"{path}/2/events": [], f"{path}/3/events": []}
    add_source(database, "github", "service=shop")
    assert "13 read" not in backfill(database, api, "github", "acme/shop").stdout
    assert not [each for each in api.requests if "/issues/" in each]
    assert "13 read" in backfill(database, api, "github", "acme/shop", "--ready-times").stdout
    once = known(database)
    receive(database, [pull_request(1, "ready_for_review", 3)])
    assert known(database) == once
    with Store(database) as store:
        org = store.keys.organisation("default")
        found = store.commits.repository(org, REPOSITORY_ID).pull_requests
    ready = {each.number: each.ready_at_ns for each in found}
    assert ready == {1: ns(3), 2: None, 3: None}
    assert next(each for each in found if each.number == 1).merged_at_ns == ns(5)


def test_a_limit_is_shown_and_waited_for(database: str, api: ProviderApi) -> None:
    add_source(database, "github")
    api.refusals = [Refusal(429, {"Retry-After": "0"})]
    assert "waiting 0 s" in backfill(database, api, "github", "acme/shop").stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("github",), "Missing argument"),
        (("github", "acme/shop", "--source", "nowhere"), 'no source "nowhere"'),
        (("gitlab", "acme/shop"), "theodora sources add gitlab"),
        (("github", "acme/other"), "may not read it"),
    ],
)
def test_what_cannot_be_read_is_refused(
    database: str, api: ProviderApi, arguments: tuple[str, ...], message: str
) -> None:
    add_source(database, "github")
    result = run(
        *("backfill", *arguments, "--url", api.url, "--database", database),
        THEODORA_BACKFILL_TOKEN=TOKEN,
    )
    assert result.exit_code != 0
    assert message in result.output
    assert TOKEN not in result.output


def test_a_token_is_needed_and_may_come_from_a_file(
    database: str, api: ProviderApi, tmp_path: Path
) -> None:
    add_source(database, "github")
    command = ("backfill", "github", "acme/shop", "--url", api.url, "--database", database)
    refused = run(*command, THEODORA_BACKFILL_TOKEN="")
    assert "THEODORA_BACKFILL_TOKEN" in refused.output
    assert api.requests == []
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    read = run(*command, "--token-file", file, THEODORA_BACKFILL_TOKEN="")
    assert read.exit_code == 0
    with Store(database) as store:
        org = store.keys.organisation("default")
        (source,) = store.sources.all_of(org)
        deliveries = store.inbox.select(org, InboxQuery("github", source.id))
        assert deliveries
        assert not any(TOKEN in repr(store.inbox.get(org, each.number)) for each in deliveries)
        assert TOKEN not in repr(source)


def test_the_commands_of_the_documentation_are_read(
    database: str, api: ProviderApi, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is pasted; those of GitHub read the history, and the others find no source."""
    section = DOCS.read_text().partition("## Backfill history")[2]
    commands = [shlex.split(line)[1:] for line in section.split("```")[1].strip().splitlines()]
    monkeypatch.chdir(tmp_path)
    Path("pagerduty-token").write_text(TOKEN)
    results = [
        run(
            *command,
            *(("--url", api.url) if "github" in command and "--since" in command else ()),
            *(("--url", api.url) if "--resume" in command else ()),
            *("--database", database),
            THEODORA_BACKFILL_TOKEN=TOKEN,
        )
        for command in commands[1:]
    ]
    assert [each.exit_code for each in results] == [0, 0, 0, 1, 1]
    assert all("theodora sources add" in each.output for each in results[3:])


# GitLab

PROJECT = {
    "path_with_namespace": "acme/shop",
    "web_url": "https://gitlab.com/acme/shop",
    "default_branch": "main",
}
GITLAB_ID = "gitlab.com/acme/shop"
ROOT = "/projects/acme%2Fshop"


def gitlab_answers() -> dict[str, Any]:
    request = {
        "iid": 4,
        "title": "Add a cart",
        "source_branch": "cart",
        "labels": ["fix"],
        "sha": sha(8),
        "merge_commit_sha": sha(9),
        "squash_commit_sha": None,
        "created_at": at(1),
        "updated_at": at(7),
        "merged_at": at(5),
    }
    notes = [
        (1, at(2), "marked this merge request as **ready**"),
        (2, at(3), "approved this merge request"),
        (3, at(4), "approved this merge request"),
        (3, at(4.5), "unapproved this merge request"),
        (2, at(4.6), "looks good"),
    ]
    job = {"status": "success", "started_at": at(6.1), "finished_at": at(6.2)}
    made = {"id": 21, "ref": "main", "sha": sha(9), "environment": {"name": "production"}}
    times = {"created_at": at(6), "updated_at": at(9)}
    issue = {"id": 900, "iid": 3, "title": "Down", "issue_type": "incident", "severity": "HIGH"}
    pipeline = {"id": 5, "ref": "main", "status": "success", "source": "push", "sha": sha(9)}
    return {
        ROOT: PROJECT,
        f"{ROOT}/merge_requests": [request],
        f"{ROOT}/merge_requests/4/notes": [
            {"system": "good" not in body, "body": body, "created_at": when, "author": {"id": id_}}
            for id_, when, body in notes
        ],
        f"{ROOT}/deployments": [
            {**made, **times, "status": "success", "deployable": job},
            {**made, **times, "id": 22, "status": "blocked", "deployable": None},
        ],
        f"{ROOT}/pipelines": [pipeline, {**pipeline, "id": 6, "ref": "cart"}],
        f"{ROOT}/pipelines/5": {
            **pipeline,
            "name": "Deploy",
            "created_at": at(10),
            "finished_at": at(10.5),
        },
        f"{ROOT}/issues": [{**issue, "state": "closed", "created_at": at(1), "updated_at": at(9)}],
        f"{ROOT}/issues/3/resource_state_events": [
            {"state": "closed", "created_at": at(2)},
            {"state": "reopened", "created_at": at(3)},
            {"state": "closed", "created_at": at(4)},
        ],
    }


def test_the_history_of_a_gitlab_project_is_read(database: str) -> None:
    add_source(database, "gitlab", "workflows=Deploy", "env=prod")
    with serve_api(ProviderApi(gitlab_answers())) as api:
        result = backfill(database, api, "gitlab", "acme/shop")
        twice = backfill(database, api, "gitlab", "acme/shop")
    assert twice.stdout == result.stdout
    assert "the status blocked does not change a deployment" in result.stdout
    assert " 0 failed" in result.stdout
    with Store(database) as store:
        org = store.keys.organisation("default")
        by_id = {each.id: each for each in store.deployments.everything(org)}
        (failure,) = store.failures.everything(org)
        (request,) = store.commits.repository(org, GITLAB_ID).pull_requests
    made = by_id["gitlab:gitlab.com.acme.shop:21"]
    assert (made.started_at_ns, made.finished_at_ns, made.env) == (ns(6.1), ns(6.2), "production")
    assert made.git
    assert made.git.commit_sha == sha(9)
    assert sorted(by_id) == [made.id, "gitlab:gitlab.com.acme.shop:pipeline-5"]
    assert (failure.severity, failure.time_to_restore) == ("high", 2 * 3_600)
    assert (request.ready_at_ns, request.last_approved_at_ns) == (ns(2), ns(3))
    assert (request.merged_at_ns, request.labels) == (ns(5), ("fix",))
    assert request.merge_commit_sha == sha(9)


def test_releases_and_commits_of_gitlab_are_read_if_they_are_asked_for(database: str) -> None:
    """A webhook of the same release makes no other deployment."""
    made = {"tag_name": "v1.2", "created_at": at(11), "commit": {"id": sha(4)}}
    commits = [(4, (3, 2), 10), (3, (1,), 9), (2, (1,), 8), (1, (), 7)]
    answers = gitlab_answers() | {
        f"{ROOT}/releases": [
            {**made, "released_at": at(11)},
            {**made, "tag_name": "v2", "released_at": at(99)},
        ],
        f"{ROOT}/repository/commits": [
            {
                "id": sha(number),
                "parent_ids": [sha(parent) for parent in parents],
                "message": f"Change {number}\n\nWhy",
                "committed_date": at(hour),
                "author_name": "Ada",
                "author_email": "ada@example.org",
            }
            for number, parents, hour in commits
        ],
    }
    add_source(database, "gitlab", "releases=yes", "env=prod")
    with serve_api(ProviderApi(answers)) as api:
        result = backfill(database, api, "gitlab", "acme/shop")
        assert not [each for each in api.requests if "commits" in each]
        backfill(database, api, "gitlab", "acme/shop", "--commits")
    assert "it is an upcoming release" in result.stdout
    hook = gitlab(
        "release",
        id=8,
        action="create",
        tag="v1.2",
        commit={"id": sha(4)},
        created_at=at(11),
        released_at=at(11),
    )
    receive(database, [hook], "gitlab")
    with Store(database) as store:
        org = store.keys.organisation("default")
        found = store.commits.repository(org, GITLAB_ID).commits.values()
        released = [each for each in store.deployments.everything(org) if each.version == "v1.2"]
    assert [(each.env, each.finished_at_ns) for each in released] == [("prod", ns(11))]
    assert {each.sha: each.parents for each in found} == {
        sha(number): tuple(sha(parent) for parent in parents) for number, parents, _ in commits
    }
    newest = next(each for each in found if each.sha == sha(4))
    assert (newest.subject, newest.author_name, newest.paths) == ("Change 4", "Ada", None)
    assert newest.commit_time_ns == ns(10)


def gitlab(kind: str, **payload: Any) -> Delivery:
    return Delivery({}, {"object_kind": kind, "project": PROJECT, **payload})


def merge_request(action: str, hour: float, user: int = 1, **members: Any) -> Delivery:
    said = {
        "iid": 4,
        "title": "Add a cart",
        "source_branch": "cart",
        "created_at": at(1),
        "merge_commit_sha": None,
        "last_commit": {"id": sha(8)},
        # Webhooks write instants in another form than the API.
        "updated_at": at(hour).replace("T", " ").replace("Z", " UTC"),
        "action": action,
        **members,
    }
    changes = {"draft": {"previous": True, "current": False}} if hour == 2 else {}
    labels = [{"title": "fix"}] if hour == 7 else []
    return gitlab(
        "merge_request", object_attributes=said, user={"id": user}, changes=changes, labels=labels
    )


def deploying(state: str, hour: float, id_: int = 21) -> Delivery:
    return gitlab(
        "deployment",
        status=state,
        status_changed_at=at(hour).replace("T", " ").replace("Z", " +0000"),
        deployment_id=id_,
        environment="production",
        ref="main",
        commit_url=f"{PROJECT['web_url']}/-/commit/{sha(9)}",
    )


def issue(state: str, hour: float) -> Delivery:
    said = {"id": 900, "iid": 3, "title": "Down", "type": "Incident", "severity": "high"}
    closed = at(hour) if state == "closed" else None
    times = {"created_at": at(1), "updated_at": at(hour), "closed_at": closed}
    return gitlab("issue", object_attributes={**said, **times, "state": state})


RAN = {"id": 5, "name": "Deploy", "ref": "main", "source": "push", "sha": sha(9)}
GITLAB_HISTORY: Sequence[Delivery] = [
    merge_request("open", 1, last_commit={"id": sha(7)}),
    issue("opened", 1),
    merge_request("update", 2),
    issue("closed", 2),
    merge_request("approved", 3, user=2),
    issue("opened", 3),
    merge_request("approval", 4, user=3),
    issue("closed", 4),
    merge_request("unapproved", 4.5, user=3),
    merge_request("merge", 5, merge_commit_sha=sha(9)),
    deploying("created", 6),
    deploying("running", 6.1),
    deploying("success", 6.2),
    deploying("blocked", 6.3, 22),
    merge_request("update", 7, merge_commit_sha=sha(9)),
    gitlab(
        "pipeline",
        object_attributes={
            **RAN,
            "status": "success",
            "created_at": at(10).replace("T", " ").replace("Z", " UTC"),
            "finished_at": at(10.5).replace("T", " ").replace("Z", " UTC"),
        },
    ),
]
"""What GitLab's webhooks sent of the same things."""


@pytest.mark.parametrize("order", ["before", "after", "around", "without"])
def test_webhooks_make_no_difference_to_the_history_of_gitlab(
    database: str, tmp_path: Path, order: str
) -> None:
    settings = ("workflows=Deploy", "env=prod")
    add_source(database, "gitlab", *settings)
    receive(database, GITLAB_HISTORY, "gitlab")
    alone = known(database, GITLAB_ID)
    assert len(alone) == 4
    other = f"sqlite:///{tmp_path / 'other.db'}"
    add_source(other, "gitlab", *settings)
    before, after = {
        "before": (GITLAB_HISTORY, []),
        "after": ([], GITLAB_HISTORY[::-1]),
        "around": (GITLAB_HISTORY[::2], GITLAB_HISTORY[1::2]),
        "without": ([], []),
    }[order]
    receive(other, before, "gitlab")
    with serve_api(ProviderApi(gitlab_answers())) as api:
        backfill(other, api, "gitlab", "acme/shop")
        receive(other, after, "gitlab")
        assert known(other, GITLAB_ID) == alone
        backfill(other, api, "gitlab", "acme/shop")
    assert known(other, GITLAB_ID) == alone


# PagerDuty


def logged(*entries: tuple[str, float]) -> list[Json]:
    return [{"type": f"{kind}_log_entry", "created_at": at(hour)} for kind, hour in entries]


def test_the_history_of_pagerduty_is_the_same_as_its_webhooks(
    database: str, tmp_path: Path
) -> None:
    last = incident("resolved", 4).payload["event"]["data"]
    merged = {**last, "id": "Q2", "resolve_reason": {"type": "merge_resolve_reason"}}
    answers = {
        "/incidents": [last, merged],
        "/incidents/Q1/log_entries": logged(
            ("resolve", 4), ("notify", 3.5), ("reopen", 3), ("resolve", 2), ("trigger", 0)
        ),
        "/incidents/Q2/log_entries": logged(("resolve", 1), ("trigger", 0.5)),
    }
    member = {path: path.rpartition("/")[2] for path in answers}
    add_source(database, "pagerduty")
    with serve_api(ProviderApi(answers, member=member)) as api:
        result = backfill(database, api, "pagerduty", "--since", "2026-02-20")
    assert result.stdout.splitlines()[0] == f"{6 * windows(api)} read, 0 ignored, 0 failed"
    told = [("triggered", 0), ("resolved", 2), ("reopened", 3), ("resolved", 4)]
    other = f"sqlite:///{tmp_path / 'other.db'}"
    add_source(other, "pagerduty")
    receive(other, [incident(event, hour) for event, hour in told], "pagerduty")
    assert known(database) == known(other)
    with Store(database) as store:
        (failure,) = store.failures.everything(store.keys.organisation("default"))
    assert failure.time_to_restore == 3 * 3_600
    assert all("time_zone=UTC" in each for each in api.requests)


def windows(api: ProviderApi) -> int:
    """The loopback server answers each window with the same incidents."""
    return sum(each.startswith("/incidents?since=") for each in api.requests)
