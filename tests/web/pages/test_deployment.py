"""The page of a deployment: why, what came of it, and correcting the verdict."""

import json
from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from actors import TESTER
from asking import DEPLOYMENTS, FAILURE, SHOPIST, Tenant, make_tenant
from databases import ON_SQLITE
from theodora.dora import Commit
from theodora.storage.access.permissions import READ
from visiting import FROM_ELSEWHERE, Browser, Element, sign_in

pytestmark = ON_SQLITE

HOUR_NS = 3_600 * 10**9
REPOSITORY = "github.com/organization/example-repository"


def deploy(tenant: Tenant, version: str, hour: int, **more: Any) -> str:
    at = SHOPIST["started_at"] + hour * HOUR_NS
    document = {"service": "web", "env": "production", "version": version}
    return tenant.create({**document, "started_at": at, "finished_at": at + 60 * 10**9, **more})


def section(page: Element, name: str) -> Element:
    (found,) = [
        each
        for each in page.all("section")
        if each.all("h2") and each.all("h2")[0].text.startswith(name)
    ]
    return found


def correct(browser: Browser, id_: str, **fields: str) -> Any:
    return browser.post(f"/deployments/{id_}/verdict", fields)


def test_a_failure_is_told_in_a_sentence_and_a_sequence(tenant: Tenant) -> None:
    first, failed, back = (deploy(tenant, v, at) for at, v in enumerate(("v1", "v2", "v1")))
    tenant.built.store.derivations.derive_all_queued(actor=TESTER)
    page = sign_in(tenant).page(f"/deployments/{failed}")
    verdict = section(page, "Verdict")
    assert verdict.one("h2").text == "Verdict: this deployment failed"
    assert verdict.one("p", class_="lead").text == (
        "v1 rolled back to v1 after 1 h, so rule Rollback marks this one failed."
    )
    steps = verdict.one("ol", class_="seq").all("li")
    assert [each.all("p")[0].text if each.all("p") else each.text for each in steps] == [
        *("Was running", "Failed: this one", "1 hto recover", "Rolled back"),
    ]
    hrefs = [each.all("a")[0]["href"] for each in (steps[0], steps[3])]
    assert hrefs == [f"/deployments/{first}", f"/deployments/{back}"]
    counts = section(page, "Where it counts")
    assert [each.text for each in counts.all("dd")][2:] == ["1 failed of 1", "1 h", "not rework"]


def test_a_remedy_names_what_it_remedied(tenant: Tenant) -> None:
    _, failed, back = (deploy(tenant, v, at) for at, v in enumerate(("v1", "v2", "v1")))
    page = sign_in(tenant).page(f"/deployments/{back}")
    lead = section(page, "Verdict").one("p", class_="lead")
    assert "It is a rollback by rule Rollback and fixed v2." in lead.text
    assert lead.one("a")["href"] == f"/deployments/{failed}"


def test_every_rule_that_was_tried_is_listed(tenant: Tenant) -> None:
    page = sign_in(tenant).page(f"/deployments/{deploy(tenant, 'v1', 1)}")
    names = [each.text for each in section(page, "Verdict").all("th", scope="row")]
    assert names == [
        *("Override", "Rules", "Incidents"),
        *("Tagged as rollback", "Rollback", "Revert", "Revert of a conventional commit", "Hotfix"),
    ]


def test_a_pending_verdict_says_what_it_waits_for(tenant: Tenant) -> None:
    with_commits(tenant)
    unknown = deploy(tenant, "v3", 9, git={**SHOPIST["git"], "commit_sha": "9" * 40})
    page = sign_in(tenant).page(f"/deployments/{unknown}")
    verdict = section(page, "Verdict")
    assert verdict.one("h2").text == "Verdict: pending"
    assert f"Waiting for the commits of {REPOSITORY}" in verdict.text


def test_without_commits_the_page_says_what_is_missing(tenant: Tenant) -> None:
    page = sign_in(tenant).page(f"/deployments/{deploy(tenant, 'v1', 1)}")
    commits = section(page, "No commits")
    assert "No lead times: it came without a commit." in commits.text
    assert "git.commit_sha" in commits.text


def _commit(sha: str, parents: Sequence[str], time_ns: int, subject: str) -> Commit:
    return Commit(
        sha=sha,
        parents=tuple(parents),
        author_time_ns=time_ns,
        commit_time_ns=time_ns,
        subject=subject,
    )


def with_commits(tenant: Tenant) -> str:
    """The second of two deployments; it brought one commit and a merge."""
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    begin = SHOPIST["started_at"]
    shas = ["1" * 40, "2" * 40, "3" * 40]
    commits = [
        _commit(shas[0], (), begin - 9 * HOUR_NS, "Begin"),
        msgspec.structs.replace(
            _commit(shas[1], (shas[0],), begin + HOUR_NS, "<b>Guard</b> against \u202eempty"),
            author_name="Ada <b>Byron</b>",
            author_email='ada"@example.org',
        ),
        _commit(shas[2], shas[1::-1], begin + 2 * HOUR_NS, "Merge"),
    ]
    store.commits.add_commits(org, REPOSITORY, commits, actor=TESTER).result()
    url = SHOPIST["git"]["repository_url"]
    deploy(tenant, "v1", 0, git={"commit_sha": shas[0], "repository_url": url})
    id_ = deploy(tenant, "v2", 5, git={"commit_sha": shas[2], "repository_url": url})
    store.derivations.derive_all_queued(actor=TESTER)
    return id_


def test_commits_have_lead_times_and_lead_to_their_host(tenant: Tenant) -> None:
    page = sign_in(tenant).page(f"/deployments/{with_commits(tenant)}")
    table = page.one("table", class_="commits")
    (row,) = table.one("tbody").all("tr")
    assert row.all("bdi")[0].text == "<b>Guard</b> against \ufffdempty"
    assert row.all("a")[0]["href"] == f"https://{REPOSITORY}/commit/{'2' * 40}"
    assert row.one("td", class_="n").text == "4 h 1 min"
    (author,) = [each for each in row.all("bdi") if "title" in each.attributes]
    assert (author.text, author["title"]) == ("Ada <b>Byron</b>", 'ada"@example.org')
    assert "it is a merge" in page.one("main").text


def test_a_commit_of_an_excluded_author_is_listed_with_the_reason(tenant: Tenant) -> None:
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    given = {"exclude_authors": ["ada <b>*"]}
    store.settings.put(org, given, actor=TESTER).result()
    id_ = with_commits(tenant)
    main = sign_in(tenant).page(f"/deployments/{id_}").one("main").text
    assert "2 commits not counted" in main.lower()
    assert "its author is excluded (exclude_authors)" in main
    explained = tenant.ask("GET", f"{DEPLOYMENTS}/{id_}/explanation").json()
    left_out = explained["data"]["attributes"]["lead_time"]["left_out"]
    assert {each["sha"][:1]: each["reason"] for each in left_out} == {
        "2": "its author is excluded (exclude_authors)",
        "3": "it is a merge",
    }


def test_a_verdict_by_hand_is_kept_with_who_when_and_why_and_undone(tenant: Tenant) -> None:
    id_ = deploy(tenant, "v1", 1)
    browser = sign_in(tenant)
    answer = correct(browser, id_, verdict="failed", reason="Half of the <b>payments</b>")
    assert answer.status_code == 303
    assert answer.headers["location"].startswith(f"/deployments/{id_}?")
    page = browser.page(answer.headers["location"])
    assert "Verdict saved" in page.one("div", role="status").text
    assert "marked it failed" in section(page, "Verdict").text
    assert "“Half of the <b>payments</b>”" in section(page, "History").text
    assert page.one("a", href="#ov").text == "Correct the verdict"
    form = section(page, "Correct the verdict")
    assert form.one("input", checked="", value="failed")
    assert form.one("input", id="reason")["value"] == "Half of the <b>payments</b>"
    assert tenant.get(id_)["change_failure"] is True
    undo = {
        each["name"]: each["value"]
        for each in page.one("div", role="status").all("input", type="hidden")
    }
    assert correct(browser, id_, **undo).status_code == 303
    assert "removed the override" in section(browser.page(f"/deployments/{id_}"), "History").text


def test_a_remedy_is_named_by_id_or_by_version(tenant: Tenant) -> None:
    failed, fix = deploy(tenant, "v1", 1), deploy(tenant, "v2", 2)
    browser = sign_in(tenant)
    for remedy in (fix, "v2"):
        correct(browser, failed, verdict="failed", remedy=remedy, type="rollforward")
        assert tenant.get(failed)["remediation"] == {"id": fix, "type": "rollforward"}
        page = browser.page(f"/deployments/{failed}")
        assert page.one("input", id="remedy")["value"] == remedy


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"verdict": "nonsense"},
        {"verdict": "failed", "type": "nonsense"},
        {"verdict": "not_failed", "remedy": "v2"},
        {"verdict": "failed", "reason": "a" * 1_025},
        {"verdict": "failed", "remedy": "a" * 256},
        {"verdict": "failed", "reason": "a\x00b"},
    ],
)
def test_what_cannot_be_said_is_refused_and_kept_in_the_form(
    tenant: Tenant, fields: dict[str, str]
) -> None:
    id_ = deploy(tenant, "v1", 1)
    browser = sign_in(tenant)
    answer = correct(browser, id_, **fields)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text
    assert tenant.get(id_)["change_failure"] is None


def test_who_may_only_read_is_refused(tenant: Tenant) -> None:
    id_ = deploy(tenant, "v1", 1)
    browser = sign_in(tenant, READ)
    page = browser.page(f"/deployments/{id_}")
    assert not section(page, "Correct the verdict").all("form")
    assert not page.all("a", href="#ov")
    answer = correct(browser, id_, verdict="failed")
    assert answer.status_code == 403
    assert "dora_metrics_write" in answer.text
    assert tenant.get(id_)["change_failure"] is None


def test_a_form_of_another_server_changes_nothing(tenant: Tenant) -> None:
    id_ = deploy(tenant, "v1", 1)
    browser = sign_in(tenant)
    answer = browser.post(
        f"/deployments/{id_}/verdict", {"verdict": "failed"}, headers=FROM_ELSEWHERE
    )
    assert answer.status_code == 403
    assert tenant.get(id_)["change_failure"] is None


def test_another_organisations_deployment_is_not_there(tenant: Tenant, shared_server: Any) -> None:
    other = make_tenant(*shared_server)
    id_ = deploy(other, "v1", 1)
    browser = sign_in(tenant)
    assert browser.get(f"/deployments/{id_}").status_code == 404
    deploy(tenant, "v1", 1)
    answer = browser.post(f"/deployments/{id_}/verdict", {"verdict": "failed"})
    assert answer.status_code == 404
    assert other.get(id_)["change_failure"] is None


def test_the_event_is_there_as_json(tenant: Tenant) -> None:
    id_ = tenant.create(SHOPIST)
    answer = sign_in(tenant).get(f"/deployments/{id_}?as=json")
    document = json.loads(answer.text)["data"]
    assert document["id"] == id_
    assert document["attributes"]["service"] == "shopist"


def test_facts_and_tags_lead_to_others_like_it(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    page = browser.page(f"/deployments/{tenant.create(SHOPIST)}")
    period = "&from=2023-08-01T00:00Z&to=2023-10-01T00:00Z"
    for link in [*section(page, "Facts").all("a", class_="tag"), *section(page, "Facts").all("a")]:
        if link["href"].startswith("/deployments"):
            path, _, query = link["href"].partition("?")
            assert len(browser.page(f"{path}?{query}{period}").all("td", class_="fi")) == 1


def test_an_incident_that_names_it_is_in_the_history(tenant: Tenant) -> None:
    id_ = deploy(tenant, "v1", 1)
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    store.settings.put(org, {"incident_marks_failure": True}, "web", actor=TESTER).result()
    at = SHOPIST["started_at"] + 2 * HOUR_NS
    failure = tenant.create(
        {"services": ["web"], "name": "Checkout fails", "started_at": at, "version": "v1"}, FAILURE
    )
    page = sign_in(tenant).page(f"/deployments/{id_}")
    assert section(page, "History").all("a")[0]["href"] == f"/failures/{failure}"
    assert section(page, "Verdict").one("p", class_="lead").all("a")[0].text == failure


SHAS = ["a" * 40, "b" * 40]


def two_with_commits(tenant: Tenant, repository: str) -> str:
    """The second of two deployments, which failed."""
    for hour, sha in enumerate(SHAS):
        git = {"commit_sha": sha, "repository_url": f"https://{repository}"}
        id_ = deploy(tenant, f"v{hour + 1}", hour, git=git)
    tenant.patch(id_, {"change_failure": True})
    return id_


@pytest.mark.parametrize(
    ("repository", "path"),
    [
        ("github.com/acme/web", f"/compare/{SHAS[0]}...{SHAS[1]}"),
        ("gitlab.com/acme/web", f"/-/compare/{SHAS[0]}...{SHAS[1]}"),
        ("bitbucket.org/acme/web", f"/branches/compare/{SHAS[1]}..{SHAS[0]}"),
        ("git.example.org/web", ""),
    ],
)
def test_a_deployment_is_compared_with_the_one_before_at_its_host(
    tenant: Tenant, repository: str, path: str
) -> None:
    page = sign_in(tenant).page(f"/deployments/{two_with_commits(tenant, repository)}")
    links = [each["href"] for each in page.all("a") if "compare" in each["href"]]
    assert links == ([f"https://{repository}{path}"] if path else [])


def test_a_deployment_can_be_copied_as_markdown(tenant: Tenant) -> None:
    id_ = two_with_commits(tenant, "github.com/acme/web")
    page = sign_in(tenant).page(f"/deployments/{id_}")
    lines = "".join(page.one("pre", class_="copy")._texts()).replace("\u202f", " ").splitlines()
    assert lines == [
        "**web v2 (bbbbbbb)** to production: failed",
        "- Finished Thu 31 Aug 2023, 15:27 UTC, took 1 min",
        "- Before it: v1 (aaaaaaa)",
        "- Not fixed yet",
        f"- Changes: https://github.com/acme/web/compare/{SHAS[0]}...{SHAS[1]}",
        f"- http://testserver/deployments/{id_}",
    ]
