"""Data health: its checks, each with a count, a sentence, a table and the way to fix it."""

import shlex
import time
from typing import Any

import pytest

from actors import TESTER
from asking import FAILURE, Tenant
from settling import in_every_state
from theodora.dora import Commit, PullRequest
from theodora.events import Deployment
from theodora.report.deployment_sources import sources_of
from theodora.storage.facts.mirrors import GIVEN_UP_AFTER
from theodora.web.pages.data_health import waits_long
from theodora.web.pages.shell.health_badge import is_recent
from visiting import Browser, Element, sign_in

PATH = "/data-health"
NOW_SEC = int(time.time())
DAY_SEC = 86_400
SHA = "66adc9350f2cc9b250b69abddab733dd55e1a588"
OTHER_SHA = "0" * 40
URL = "https://git.example.org/shop/web"
REPOSITORY = "git.example.org/shop/web"
HOSTILE = '"><script>alert(1)</script>'


def deploy(tenant: Tenant, days_ago: float = 0, **attributes: Any) -> str:
    at = NOW_SEC - int(days_ago * DAY_SEC)
    event = {"service": "web", "env": "production", "started_at": at, "finished_at": at}
    return tenant.create({**event, **attributes})


def git(sha: str = SHA) -> dict[str, str]:
    return {"commit_sha": sha, "repository_url": URL}


def add_commit(tenant: Tenant, sha: str = SHA, days_ago: float = 1, *parents: str) -> None:
    store = tenant.built.store
    at_ns = (NOW_SEC - int(days_ago * DAY_SEC)) * 10**9
    commit = Commit(sha=sha, parents=parents, author_time_ns=at_ns, commit_time_ns=at_ns)
    org = store.keys.organisation(tenant.organisation)
    store.commits.add_commits(org, REPOSITORY, [commit], actor=TESTER).result()


def counts(page: Element) -> dict[str, str]:
    """What stands beside the label of each check."""
    links = page.one("nav", aria_label="Checks").all("a")
    return {each["href"].rpartition("=")[2]: each.all("span")[0].text for each in links}


def rows(page: Element) -> list[str]:
    lines = [row for table in page.all("table") for row in table.one("tbody").all("tr")]
    return [
        " ".join(cell.text for cell in line.everything() if cell.tag in {"th", "td"})
        for line in lines
    ]


def check(browser: Browser, name: str) -> Element:
    return browser.page(f"{PATH}?check={name}").one("section", class_="panel")


def test_without_an_event_there_is_nothing_to_look_at(tenant: Tenant) -> None:
    page = sign_in(tenant).page(PATH)
    assert set(counts(page).values()) == {"none"}
    assert "Nothing has been received yet" in page.one("main").text


def test_the_first_check_that_found_something_is_shown(tenant: Tenant) -> None:
    deploy(tenant, git=git())
    assert sign_in(tenant).page(PATH).one("h2").text == "Repositories not matched"


def test_sources_tell_when_they_last_sent_something(tenant: Tenant) -> None:
    for days_ago in (3, 2, 1, 0):
        deploy(tenant, days_ago)
    row, *_ = rows(check(sign_in(tenant), "sources"))  # What keys sent follows once counted.
    assert row.startswith("api ")
    assert "just now" in row
    assert row.endswith(" too few 4")


@pytest.mark.parametrize(("gap_sec", "silent_after_sec"), [(60, DAY_SEC), (DAY_SEC, 3 * DAY_SEC)])
def test_a_source_is_silent_after_three_usual_gaps_and_a_day(
    tenant: Tenant, gap_sec: int, silent_after_sec: int
) -> None:
    deploy(tenant)
    store = tenant.built.store
    (one,) = store.health.look(store.keys.organisation(tenant.organisation)).deployments
    seen = [one._replace(created_at_ns=number * gap_sec * 10**9) for number in range(5)]
    silent_ns = (4 * gap_sec + silent_after_sec) * 10**9
    (source,) = sources_of(seen, silent_ns)
    assert (source.gap_sec, source.is_stale) == (gap_sec, False)
    assert source.per_day == (1 if gap_sec == DAY_SEC else None)
    (source,) = sources_of(seen, silent_ns + 1)
    assert source.is_stale


def test_a_repository_without_commits_is_named_until_they_come(tenant: Tenant) -> None:
    deploy(tenant, git=git())
    deploy(tenant, 1, git=git(), service="api")
    browser = sign_in(tenant)
    (row,) = rows(check(browser, "repositories"))
    assert row.startswith(f"{REPOSITORY} 2 api, web")
    assert counts(browser.page(PATH))["repositories"] == "1"
    add_commit(tenant)
    assert rows(check(browser, "repositories")) == []
    assert counts(browser.page(PATH))["repositories"] == "none"


def test_a_mirror_that_could_not_be_fetched_is_listed_until_it_can(tenant: Tenant) -> None:
    browser, store = sign_in(tenant), tenant.built.store
    assert counts(browser.page(PATH))["mirrors"] == "none"
    org = store.keys.organisation(tenant.organisation)
    store.mirrors.add(org, REPOSITORY, URL, actor=TESTER).result()
    mirror = store.mirrors.get(org, REPOSITORY)
    for failures in range(1, GIVEN_UP_AFTER + 1):
        store.mirrors.note(mirror, NOW_SEC * 10**9, f"too large {HOSTILE}", actor=TESTER).result()
        if failures in {1, GIVEN_UP_AFTER - 1, GIVEN_UP_AFTER}:
            (row,) = rows(check(browser, "mirrors"))
            assert ("Given up" in row) == (failures == GIVEN_UP_AFTER)
            assert f"too large {HOSTILE}" in row
            assert row.endswith(f" {failures}")
    assert counts(browser.page(PATH))["mirrors"] == "1"
    store.mirrors.note(mirror, NOW_SEC * 10**9, None, actor=TESTER).result()
    assert rows(check(browser, "mirrors")) == []
    assert counts(browser.page(PATH))["mirrors"] == "none"


def test_a_mirror_that_failed_says_why_beside_its_repository(tenant: Tenant) -> None:
    deploy(tenant, git=git())
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    store.mirrors.add(org, REPOSITORY, URL, actor=TESTER).result()
    mirror = store.mirrors.get(org, REPOSITORY)
    store.mirrors.note(mirror, NOW_SEC * 10**9, f"no such host {HOSTILE}", actor=TESTER).result()
    (row,) = rows(check(sign_in(tenant), "repositories"))
    assert f"no such host {HOSTILE}" in row


def test_deployments_without_commits_are_told_with_the_reason(tenant: Tenant) -> None:
    add_commit(tenant)
    deploy(tenant)
    deploy(tenant, 1, git={**git(), "repository_url": "https://git.example.org/shop/other"})
    deploy(tenant, 2, git=git(OTHER_SHA))
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    section = check(sign_in(tenant), "commits")
    assert sorted(each.text for each in section.all("li")) == [
        "1: its commit is not among those of its repository",
        "1: no commit was sent with it",
        "1: no commits of its repository are known",
    ]
    assert len(rows(section)) == 3


def test_a_deployment_after_a_long_pause_is_told_as_that(tenant: Tenant) -> None:
    """Its commits are known: no page says that there are none."""
    add_commit(tenant, OTHER_SHA, 100)
    add_commit(tenant, SHA, 1, OTHER_SHA)
    deploy(tenant, 90, git=git(OTHER_SHA))
    deploy(tenant, git=git())
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    section = check(sign_in(tenant), "commits")
    assert any(each.text.startswith("1: it came after a pause") for each in section.all("li"))
    overview = sign_in(tenant).page("/").one("main").text
    assert "no lead times in this period" in overview
    assert "no commits" not in overview


def test_a_pending_deployment_says_which_commit_it_waits_for(tenant: Tenant) -> None:
    add_commit(tenant)
    id_ = deploy(tenant, git=git(OTHER_SHA))
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    browser = sign_in(tenant)
    section = check(browser, "pending")
    (row,) = rows(section)
    assert row.endswith(f"commit 0000000 of {REPOSITORY}")
    assert section.one("tbody").one("th").one("a")["href"] == f"/deployments/{id_}"


def test_clocks_that_disagree_are_outliers(tenant: Tenant) -> None:
    deploy(tenant, -1)
    deploy(tenant)
    (row,) = rows(check(sign_in(tenant), "outliers"))
    assert row.endswith("finished after it was received: clocks disagree")


def test_a_lead_time_above_half_a_year_is_an_outlier(tenant: Tenant) -> None:
    add_commit(tenant, OTHER_SHA, 300)
    add_commit(tenant, SHA, 200, OTHER_SHA)
    deploy(tenant, 30, git=git(OTHER_SHA), version="v1")
    deploy(tenant, git=git(), version="v2")
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    assert [row.rpartition(" lead ")[2] for row in rows(check(sign_in(tenant), "outliers"))] == [
        "time of 200 days"
    ]


@in_every_state
def test_commits_that_are_newer_than_their_deployment_are_counted(tenant: Tenant) -> None:
    add_commit(tenant, OTHER_SHA, 10)
    add_commit(tenant, "1" * 40, 5, OTHER_SHA)
    add_commit(tenant, "2" * 40, 2, "1" * 40)
    add_commit(tenant, SHA, 1, "2" * 40)
    deploy(tenant, 9, git=git(OTHER_SHA), version="v1")
    id_ = deploy(tenant, 3, git=git(), version="v2")
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    browser = sign_in(tenant)
    section = check(browser, "negative")
    (row,) = rows(section)
    assert row.endswith("2 commits written after it finished")
    assert section.one("tbody").one("th").one("a")["href"] == f"/deployments/{id_}"
    assert "lead_time_clock" in section.text
    assert counts(browser.page(f"{PATH}?check=negative"))["negative"] == "2"
    deploy(tenant, 0, id=id_, git=git(), version="v2")
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    assert counts(browser.page(f"{PATH}?check=negative"))["negative"] == "none"
    assert "No commit was written after" in check(browser, "negative").text


def queue(page: Element) -> Element:
    (line,) = page.one("p", class_="fresh").all("span")
    return line


def test_changes_that_wait_to_be_derived_are_counted(tenant: Tenant) -> None:
    deploy(tenant)
    deploy(tenant, 1)
    deploy(tenant, service="api")
    browser = sign_in(tenant)
    line = queue(browser.page(PATH))
    assert line.text.startswith(
        "Derivation queue 3 changes of 2 services and environments waiting, the oldest since "
    )
    assert line.text.endswith("(just now)")
    assert "class" not in line.attributes
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    assert queue(browser.page(PATH)).text == "Derivation queue empty"


def test_what_has_waited_for_more_than_a_minute_stands_out(tenant: Tenant) -> None:
    deploy(tenant)
    store = tenant.built.store
    waiting = store.health.look(store.keys.organisation(tenant.organisation)).waiting
    assert waiting.since_ns is not None
    assert not waits_long(waiting, waiting.since_ns + 60 * 10**9)
    assert waits_long(waiting, waiting.since_ns + 60 * 10**9 + 1)
    assert not waits_long(waiting._replace(since_ns=None), waiting.since_ns * 2)


def counted(tenant: Tenant) -> Browser:
    """A browser that sees what has come in so far."""
    tenant.built.store.reception.write(actor=TESTER).result()
    return sign_in(tenant)


def test_what_each_key_has_sent_is_told(tenant: Tenant) -> None:
    deploy(tenant)
    id_ = deploy(tenant, 1)
    tenant.create({"name": "down", "services": ["web"], "started_at": NOW_SEC}, FAILURE)
    tenant.patch(id_, {"change_failure": True})
    found = rows(check(counted(tenant), "sources"))[1:]
    day = time.strftime("%a %-d %b")
    assert sorted(row.replace(day, "today").split(" today")[0] for row in found) == [
        "Key without a name deployments",
        "Key without a name failures",
        "Key without a name verdicts",
    ]
    assert {row.rpartition(" ")[2] for row in found} == {"1", "2"}


def test_refused_requests_are_told_with_their_reason_and_never_their_body(tenant: Tenant) -> None:
    for _ in range(2):
        tenant.send({"service": "web", "started_at": NOW_SEC, "finished_at": 7, "team": "secret"})
    tenant.post_body(b"{" * 5)
    tenant.post_body(b" " * 5_500_000)
    tenant.patch("nothing", {"change_failure": True})
    browser = counted(tenant)
    section = check(browser, "refused")
    assert "for 4 reasons" in section.one("p").text
    assert "secret" not in section.text
    by_status = sorted(
        row.removeprefix("Key without a name Within a day ") for row in rows(section)
    )
    assert [row.split(" ")[0] for row in by_status] == [*["deployments"] * 3, "verdicts"]
    (late,) = [row for row in by_status if "finished_at" in row]
    assert "400 · /data/attributes/finished_at" in late
    assert late.endswith(" just now 2")
    assert [row for row in by_status if " 413 " in row]
    assert "deployment does not exist 404" in by_status[-1]
    assert counts(browser.page(PATH))["refused"] == "4"


def test_a_refusal_of_an_array_is_counted_as_one_whatever_its_place(tenant: Tenant) -> None:
    at = {"service": "web", "started_at": NOW_SEC, "finished_at": NOW_SEC}
    for good in range(3):
        tenant.send({**at, "custom_tags": ["a:b"] * good + ["x" * 5_000]})
    (row,) = rows(check(counted(tenant), "refused"))
    assert "/data/attributes/custom_tags/*" in row
    assert row.endswith(" 3")


def test_who_is_refused_and_then_accepted_is_told_so(tenant: Tenant) -> None:
    tenant.send({})
    assert "accepted since" not in check(counted(tenant), "refused").text
    deploy(tenant)
    assert "others accepted since" in check(counted(tenant), "refused").text


def test_what_cannot_be_derived_is_shown_while_the_rest_is_derived(tenant: Tenant) -> None:
    """As in a store in which an earlier version has saved what this one refuses."""
    store = tenant.built.store
    org = store.keys.ensure_organisation(tenant.organisation, 1, actor=TESTER).result()
    rule = {"id": "either", "fields": ["version"], "pattern": "fix $version|hotfix.*"}
    store.settings.put(
        org, {"linked_rules": [rule], "path_globs": ["web/"]}, "pay", actor=TESTER
    ).result()
    pay, web = deploy(tenant, service="pay"), deploy(tenant, service="web")
    store.derivations.derive_all_queued(actor=TESTER)
    assert tenant.get(web)["change_failure"] is False
    assert tenant.get(pay)["change_failure"] is None
    browser = sign_in(tenant)
    (row,) = rows(check(browser, "derivation"))
    assert row.startswith('pay production rule "either": can match without $version')
    assert counts(browser.page(PATH))["derivation"] == "1"
    assert (
        tenant.ask(
            "PATCH",
            f"/api/v2/dora/deployments/{pay}",
            json={
                "data": {
                    "type": "dora_deployment_patch_request",
                    "attributes": {"change_failure": True},
                }
            },
        ).status_code
        == 202
    )
    assert browser.get(f"/deployments/{pay}").status_code == 200
    exposition = tenant.client.get("/metrics").text
    assert "theodora_parked_sequences 1.0" in exposition
    store.settings.put(org, {}, "pay", actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert "Everything could be derived" in check(browser, "derivation").text


def test_members_that_nobody_reads_are_shown_with_what_was_meant(tenant: Tenant) -> None:
    at = {"service": "web", "started_at": NOW_SEC, "finished_at": NOW_SEC}
    for _ in range(2):
        tenant.create({**at, "commit_sha": SHA, "sevice\x1b": "x"})
    tenant.create({"services": ["web"], "started_at": NOW_SEC, "git": {**git(), "sha": 1}}, FAILURE)
    tenant.send({"wrong": 1})
    browser = counted(tenant)
    section = check(browser, "ignored")
    assert "3 members sent within the last day are unknown" in section.text
    day = time.strftime(" %a %-d %b")
    shown = sorted(
        (*row.removeprefix("Key without a name Within a day ").split(day)[:1], row.split()[-1])
        for row in rows(section)
    )
    place = "/data/attributes"
    assert shown == [
        (f"deployments {place}/commit_sha did you mean {place}/git/commit_sha?", "2"),
        (f"deployments {place}/sevice� did you mean {place}/service?", "2"),
        (f"failures {place}/git/sha", "1"),
    ]
    assert counts(browser.page(PATH))["ignored"] == "3"


def test_what_clients_legally_send_beside_the_attributes_is_not_counted(tenant: Tenant) -> None:
    at = {"service": "web", "started_at": NOW_SEC, "finished_at": NOW_SEC}
    full = {**at, "id": "a" * 16, "env": "e", "team": "t", "version": "v", "custom_tags": ["a:b"]}
    full["git"] = {**git(), "repository_id": REPOSITORY}
    document = {
        "jsonapi": {"version": "1.0"},
        "meta": {"any": 1},
        "data": {"type": "dora_deployment", "attributes": full},
    }
    assert tenant.ask("POST", "/api/v2/dora/deployment", json=document).status_code == 200
    activity = {"user_email": "a@b.c", "day": "2026-01-01", "is_active": True, "tools": ["x"]}
    entry = {"type": "ai_impact_user_activity", "attributes": {**activity, "models": ["m"]}}
    answer = tenant.ask("POST", "/api/v2/ai_impact/user_activity", json={"data": [entry]})
    assert answer.status_code == 200
    assert rows(check(counted(tenant), "ignored")) == []
    entry["attributes"]["tool"] = "x"
    tenant.ask("POST", "/api/v2/ai_impact/user_activity", json={"data": [entry]})
    (row,) = rows(check(counted(tenant), "ignored"))
    assert "/data/*/attributes/tool did you mean /data/*/attributes/tools?" in row


def test_a_refusal_of_a_day_ago_or_of_a_revoked_key_needs_no_look(tenant: Tenant) -> None:
    tenant.send({})
    store = tenant.built.store
    store.reception.write(actor=TESTER).result()
    (one,) = store.health.look(store.keys.organisation(tenant.organisation)).refusals
    assert is_recent(one, one.last_at_ns + DAY_SEC * 10**9 - 1)
    assert not is_recent(one, one.last_at_ns + DAY_SEC * 10**9)
    assert not is_recent(one._replace(is_revoked=True), one.last_at_ns)


def test_nobody_else_sees_what_was_refused(tenant: Tenant, other_tenant: Tenant) -> None:
    other_tenant.send({})
    section = check(counted(tenant), "refused")
    assert "No request of a key of this organisation has been refused" in section.text


@pytest.mark.parametrize(
    "name",
    [
        "sources",
        "refused",
        "derivation",
        "ignored",
        "repositories",
        "commits",
        "pending",
        "outliers",
        "negative",
        "dates",
        "failures",
        "retention",
        "quotas",
    ],
)
def test_a_check_shows_hostile_names_as_text_and_nothing_of_others(
    tenant: Tenant, other_tenant: Tenant, name: str
) -> None:
    deploy(tenant, -1, service=HOSTILE, version=HOSTILE)
    deploy(other_tenant, -1, service="their-service", git=git())
    text = sign_in(tenant).get(f"{PATH}?check={name}").text
    assert "<script>alert" not in text
    assert "their-service" not in text
    assert REPOSITORY not in text


def test_commits_without_a_date_are_counted_with_those_of_pull_requests(tenant: Tenant) -> None:
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    undated = Commit(sha=SHA, author_time_ns=None, commit_time_ns=1)
    store.commits.add_commits(org, REPOSITORY, [undated], actor=TESTER).result()
    request = PullRequest(number=1, commits=(undated,))
    store.commits.add_pull_requests(org, REPOSITORY, [request], actor=TESTER).result()
    browser = sign_in(tenant)
    assert counts(browser.page(f"{PATH}?check=dates"))["dates"] == "2"
    section = check(browser, "dates")
    assert "2 commits whose date cannot be read" in section.text
    assert rows(section) == [f"{REPOSITORY} 2 {SHA[:7]}"]


def test_a_shallow_clone_is_told_with_what_to_do(tenant: Tenant) -> None:
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    commits = [
        Commit(
            sha=sha,
            parents=(parent * 40,),
            is_shallow=True,
            author_time_ns=NOW_SEC * 10**9 - 1,
            commit_time_ns=NOW_SEC * 10**9 - 1,
        )
        for sha, parent in ((OTHER_SHA, "1"), (SHA, "2"))
    ]
    store.commits.add_commits(org, REPOSITORY, commits, actor=TESTER).result()
    deploy(tenant, 1, git=git(OTHER_SHA))
    deploy(tenant, 0, git=git(SHA), version="v2")
    store.derivations.derive_all_queued(actor=TESTER)
    browser = sign_in(tenant)
    without = check(browser, "commits")
    assert "1: a shallow clone cut its history off" in without.text
    assert "git fetch --unshallow" in without.text
    (pending,) = rows(check(browser, "pending"))
    assert f"commits before {SHA[:7]}, which a shallow clone cut off" in pending


@pytest.mark.parametrize(
    "named",
    [
        {"version": "v2"},
        {"git": {"commit_sha": SHA, "repository_url": URL}},
        {"custom_tags": ["deployment_id:deployment-of-v2"]},
    ],
    ids=["version", "commit", "id"],
)
def test_failures_that_name_a_deployment_and_mark_none_lead_to_the_setting(
    tenant: Tenant, named: dict[str, Any]
) -> None:
    deploy(tenant, 1, id="deployment-of-v2", version="v2", git=git())
    outage = {"services": ["web"], "env": "production", "started_at": NOW_SEC - 3_600}
    tenant.create({**outage, **named, "name": "Checkout is down"}, FAILURE)
    tenant.create({**outage, "started_at": NOW_SEC - 60, "version": "v1"}, FAILURE)
    store = tenant.built.store
    store.derivations.derive_all_queued(actor=TESTER)
    browser = sign_in(tenant)
    section = check(browser, "failures")
    assert "but mark none as failed: 1." in section.text
    assert "incident_marks_failure" in section.text
    (row,) = rows(section)
    assert row.endswith("Checkout is down web")
    for path in ("/", "/services/web"):
        assert (
            "failures that name a deployment but mark none: 1"
            in browser.page(path).one("main").text
        )
    org = store.keys.organisation(tenant.organisation)
    store.settings.put(org, {"incident_marks_failure": True}, "web", actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    assert "No failure names a deployment" in check(sign_in(tenant), "failures").text


def test_an_unknown_check_is_named(tenant: Tenant) -> None:
    assert "check" in sign_in(tenant).page(f"{PATH}?check=nothing", 400).one("main").text


def test_what_is_wrong_is_told_on_every_page(tenant: Tenant) -> None:
    """A badge in the navigation, and a line where numbers are; looked for once a minute."""
    for days_ago in (40, 39, 38, 37, 36):
        at = NOW_SEC - days_ago * DAY_SEC
        store = tenant.built.store
        org = store.keys.ensure_organisation(tenant.organisation, 1, actor=TESTER).result()
        event = Deployment(
            service="web", started_at_ns=at * 10**9, finished_at_ns=at * 10**9, source="pipeline"
        )
        store.deployments.add(org, event, at * 10**9, actor=TESTER).result()
    browser = sign_in(tenant)
    for path in ("/", "/services/web", "/settings/keys", PATH):
        place = browser.page(path).one("nav", aria_label="Main").one("a", data_key="h")
        assert place.one("span", class_="badge").text == "1 to look at", path
    line = browser.page("/services/web").one("p", class_="fresh").one("span", class_="stale")
    assert line.text == "nothing by pipeline since 36 d ago"
    assert line.one("a")["href"] == f"{PATH}?check=sources"


def test_where_nothing_is_wrong_there_is_no_badge(tenant: Tenant) -> None:
    deploy(tenant)
    page = sign_in(tenant).page("/")
    assert page.one("nav", aria_label="Main").all("span", class_="badge") == []
    assert page.all("span", class_="stale") == []


def test_a_repository_like_one_with_commits_is_named_with_the_command_that_joins_them(
    tenant: Tenant,
) -> None:
    add_commit(tenant)
    moved = {"commit_sha": SHA, "repository_url": "https://git.example.com/Shop/web"}
    deploy(tenant, git=moved)
    browser = sign_in(tenant)
    (row,) = rows(check(browser, "repositories"))
    names = f"git.example.com/Shop/web {REPOSITORY}"
    command = f"theodora settings alias {names} --org {shlex.quote(tenant.organisation)}"
    assert f"Is it {REPOSITORY}, which has commits? Then run {command}" in row
    store = tenant.built.store
    given = {"repository_aliases": {"git.example.com/Shop/web": REPOSITORY}}
    store.settings.put(store.keys.organisation(tenant.organisation), given, actor=TESTER).result()
    assert rows(check(browser, "repositories")) == []
    assert "commits" in counts(browser.page(PATH))


def test_a_repository_under_another_known_form_has_its_commits(tenant: Tenant) -> None:
    store = tenant.built.store
    commit = Commit(sha=SHA, author_time_ns=1, commit_time_ns=1)
    org = store.keys.organisation(tenant.organisation)
    store.commits.add_commits(org, "github.com/shop/web", [commit], actor=TESTER).result()
    deploy(tenant, git={"commit_sha": SHA, "repository_url": "git@ssh.github.com:Shop/Web"})
    (seen,) = store.health.look(org).deployments
    assert (seen.repository_is_known, seen.commit_is_known) == (True, True)
    assert rows(check(sign_in(tenant), "repositories")) == []


def test_an_id_given_to_several_services_is_named_with_an_example(tenant: Tenant) -> None:
    shared = {"id": "release-2026-11-28", "version": "v1"}
    deploy(tenant, **shared)
    browser = sign_in(tenant)
    assert counts(browser.page(PATH))["ids"] == "none"
    other = deploy(tenant, service="api", **shared)
    (row,) = rows(check(browser, "ids"))
    assert row == f"release-2026-11-28 deployments 1 {other}"
    for service in ("web", "api"):
        incident = {"id": "incident-0000001", "services": [service], "started_at": NOW_SEC}
        tenant.create(incident, FAILURE)
    assert counts(browser.page(PATH))["ids"] == "2"
