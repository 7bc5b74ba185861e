"""The pages of webhook sources: adding, what came in and why not, replay and removal."""

import re
from typing import Any

from actors import TESTER
from asking import Tenant
from databases import ON_SQLITE
from deliveries import Delivery, body_of, correlated, deployment, github, incident, sha, status
from theodora.sources.webhooks.worker import InboxWorker
from theodora.storage import InboxQuery, Organisation, StoredDelivery, WebhookSource
from visiting import read_page, sign_in

pytestmark = ON_SQLITE

PATH = "/settings/sources"
SUCCESS = status(deployment(7, 1, 10), "success", 11)
TRAP = "<script>alert(1)</script>"


def organisation(tenant: Tenant) -> Organisation:
    return tenant.built.store.keys.organisation(tenant.organisation)


def add(tenant: Tenant, kind: str = "github", name: str = "ours") -> WebhookSource:
    sources = tenant.built.store.sources
    return sources.add(organisation(tenant), kind, name, "{}", 1, actor=TESTER).result()


def receive(tenant: Tenant, kind: str, source: str, *deliveries: Delivery) -> None:
    store = tenant.built.store
    for each in deliveries:
        store.inbox.receive(
            *(organisation(tenant), kind, source, each.headers, body_of(each), 10**18),
            actor=TESTER,
        ).result()
    while InboxWorker(store, 30).work_off():
        pass


def stored(tenant: Tenant, source: WebhookSource) -> list[StoredDelivery]:
    query = InboxQuery(source.kind, source.id)
    return tenant.built.store.inbox.select(organisation(tenant), query)


def test_a_source_is_added_and_its_secret_shown_once(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    assert "No source yet" in browser.page(PATH).one("main").text
    form = {"kind": "github", "name": "shop", "settings": "service=web\nreleases=yes\n"}
    made = read_page(browser.post(PATH, form).text)
    [source] = tenant.built.store.sources.all_of(organisation(tenant))
    steps = [step.text for step in made.one("ol", class_="steps").all("li")]
    assert f"2. Payload URL: http://testserver/webhooks/github/{source.id}" in steps
    assert f"4. Secret: {source.secret}" in steps
    assert source.settings == '{"service":"web","releases":true}'
    for path in (PATH, f"{PATH}/{source.id}"):
        assert source.secret not in browser.get(path).text
    [link] = browser.page(PATH).all("a", href=f"{PATH}/{source.id}")
    assert link.text == "shop"


def test_what_cannot_be_added_shows_why(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    form = {"kind": "github", "name": "x" * 201, "settings": "colour=red"}
    answer = browser.post(PATH, form)
    assert answer.status_code == 400
    page = read_page(answer.text)
    assert "at most 200 characters" in page.one(id="name-problem").text
    assert "GitHub reads service" in page.one(id="settings-problem").text
    assert page.one("textarea", id="settings").text == "colour=red"
    assert tenant.built.store.sources.all_of(organisation(tenant)) == []


def test_a_source_shows_what_came_in_and_why_something_was_ignored(tenant: Tenant) -> None:
    source = add(tenant, name=TRAP)
    receive(tenant, "github", source.id, SUCCESS, github("ping"), github("deployment"))
    browser = sign_in(tenant)
    row = browser.page(PATH).one("tbody").one("tr")
    assert [each.text for each in row.all("td", class_="n")] == ["3", "1", "1", "0"]
    page = browser.page(f"{PATH}/{source.id}")
    assert page.one("h1").text == TRAP
    rows = [[cell.text for cell in row.all("td")] for row in page.one("tbody").all("tr")]
    assert [row[0] for row in rows] == ["failed", "ignored", "done"]
    assert rows[1][1] == "ping says nothing about deployments or changes"
    assert rows[2][1] == "deployment:github.com/acme/shop:7"
    ignored = browser.page(f"{PATH}/{source.id}?state=ignored").one("tbody").all("tr")
    assert len(ignored) == 1
    number = stored(tenant, source)[2].number
    assert browser.get(f"{PATH}/{add(tenant).id}?delivery={number}").status_code == 404
    opened = browser.page(f"{PATH}/{source.id}?delivery={number}")
    assert '"state": "success"' in opened.one("pre").text
    assert "x-github-event: deployment_status" in opened.one("main").text


def test_deliveries_are_found_by_their_time_and_by_what_they_say(tenant: Tenant) -> None:
    source = add(tenant)
    receive(tenant, "github", source.id, SUCCESS, github("ping"), github("100%"))
    browser = sign_in(tenant)

    def found(search: str) -> list[str]:
        page = browser.page(f"{PATH}/{source.id}?{search}")
        return [row.all("td")[1].text[:5] for body in page.all("tbody") for row in body.all("tr")]

    assert found("contains=ACME/shop") == ["deplo"]
    assert found("contains=ping") == ["ping "]
    assert found("contains=100%25") == ["100% "]
    assert found("contains=deployment_status&state=ignored") == []
    assert found("contains=%25") == ["100% "], "it is no pattern"
    # All came in at 2001-09-09T01:46:40Z.
    assert len(found("since=2001-09-09T01:46&until=2001-09-09T01:47")) == 3
    assert found("since=2001-09-09T01:47") == found("until=2001-09-09T01:46") == []
    page = browser.page(f"{PATH}/{source.id}?contains=ping")
    assert page.one("input", id="contains")["value"] == "ping"
    assert any("contains=ping" in str(each["href"]) for each in page.one("tbody").all("a"))
    assert browser.get(f"{PATH}/{source.id}?since=yesterday").status_code == 400


def test_older_deliveries_are_a_page_further(tenant: Tenant) -> None:
    source = add(tenant)
    receive(tenant, "github", source.id, *[github("ping")] * 60)
    browser = sign_in(tenant)
    page = browser.page(f"{PATH}/{source.id}")
    assert len(page.one("tbody").all("tr")) == 50
    [older] = [each for each in page.all("a") if each.text == "Older"]
    assert len(browser.page(older["href"]).one("tbody").all("tr")) == 10


def test_settings_are_saved_and_replayed(tenant: Tenant) -> None:
    source = add(tenant)
    receive(tenant, "github", source.id, SUCCESS, SUCCESS)
    browser = sign_in(tenant)
    path = f"{PATH}/{source.id}"
    saved = browser.post(f"{path}/settings", {"settings": "service=web"})
    assert (saved.status_code, saved.headers["location"]) == (303, f"{path}?saved=settings")
    assert "Settings saved" in browser.page(saved.headers["location"]).one(role="status").text
    refused = browser.post(f"{path}/settings", {"settings": "service"})
    assert refused.status_code == 400
    one = {"delivery": str(stored(tenant, source)[0].number)}
    assert browser.post(f"{path}/replay", one).status_code == 303
    assert [each.state for each in stored(tenant, source)] == ["waiting", "done"]
    assert browser.post(f"{path}/replay", {}).status_code == 303
    assert [each.state for each in stored(tenant, source)] == ["waiting"] * 2
    receive(tenant, "github", source.id)
    events = tenant.built.store.deployments.everything(organisation(tenant))
    assert [each.service for each in events] == ["web"]


def test_settings_are_previewed_before_they_are_saved(tenant: Tenant) -> None:
    source = add(tenant)
    receive(tenant, "github", source.id, SUCCESS, status(deployment(8, 1, 9), "success", 10))
    browser = sign_in(tenant)
    path = f"{PATH}/{source.id}/settings"
    typed = "service=web\ncount_deployments=NOT env:staging"
    answer = browser.post(path, {"settings": typed, "preview": "1"})
    assert answer.status_code == 200
    page = read_page(answer.text)
    said = "2 webhooks in the inbox would make 0 new events, remove 0 and change 2."
    assert said in page.one(role="status").text
    states, differences = page.one("section", aria_labelledby="preview").all("table")
    counted = [[cell.text for cell in row.all("td")] for row in states.one("tbody").all("tr")]
    assert counted == [["0", "0"], ["2", "2"], ["0", "0"], ["0", "0"]]
    rows = [[cell.text for cell in row.all("td")] for row in differences.one("tbody").all("tr")]
    assert rows == [["Changed", "service shop", "service web"]] * 2
    assert page.one("textarea", id="settings").text == " ".join(typed.split())
    assert tenant.built.store.sources.get(organisation(tenant), source.id).settings == "{}"
    refused = browser.post(path, {"settings": "count_deployments=(", "preview": "1"})
    assert refused.status_code == 400
    assert "count_deployments" in read_page(refused.text).one(id="settings-problem").text


def test_settings_of_all_sources_are_previewed_saved_and_shown(tenant: Tenant) -> None:
    own, other = add(tenant), add(tenant, name="others")
    receive(tenant, "github", own.id, SUCCESS)
    receive(tenant, "github", other.id, status(deployment(8, 1, 9), "success", 10))
    browser = sign_in(tenant)
    assert "each source has its own" in browser.page(PATH).one("main").text
    typed = {"settings": "service=web\nreleases=yes"}
    page = read_page(browser.post(f"{PATH}/all", {**typed, "preview": "1"}).text)
    assert "2 webhooks in the inbox would make 0 new" in page.one(role="status").text
    _, differences = page.one("section", aria_labelledby="preview").all("table")
    assert len(differences.one("tbody").all("tr")) == 2
    refused = browser.post(f"{PATH}/all", {"settings": "deployment.number=$.id"})
    assert refused.status_code == 400
    problem = read_page(refused.text).one(id="settings-problem").text
    assert "all sources may have service" in problem
    saved = browser.post(f"{PATH}/all", typed)
    assert (saved.status_code, saved.headers["location"]) == (303, f"{PATH}/all?saved=settings")
    page = browser.page(saved.headers["location"])
    assert "Settings saved" in page.one(role="status").text
    assert page.one("textarea", id="settings").text == "service=web releases=yes"
    for path in (PATH, f"{PATH}/{own.id}"):
        assert "service=web" in [each.text for each in browser.page(path).all("code")]


def test_the_secret_of_a_provider_is_stored(tenant: Tenant) -> None:
    source = add(tenant, "pagerduty")
    browser = sign_in(tenant)
    path = f"{PATH}/{source.id}/secret"
    assert browser.post(path, {"secret": " "}).status_code == 400
    assert browser.post(path, {"secret": "given"}).status_code == 303
    assert tenant.built.store.sources.get(organisation(tenant), source.id).secret == "given"
    assert "given" not in browser.get(f"{PATH}/{source.id}").text


def test_a_source_is_removed_after_a_question(tenant: Tenant) -> None:
    source = add(tenant)
    browser = sign_in(tenant)
    asked = browser.page(f"{PATH}/{source.id}?remove=1")
    assert "Remove ours?" in asked.one("h2", id="end").text
    gone = browser.post(f"{PATH}/{source.id}/remove", {})
    assert (gone.status_code, gone.headers["location"]) == (303, f"{PATH}?saved=removed")
    assert browser.get(f"{PATH}/{source.id}").status_code == 404


def test_what_came_in_with_an_api_key_is_listed_too(tenant: Tenant) -> None:
    receive(tenant, "pagerduty", "", incident("triggered", 1))
    browser = sign_in(tenant)
    [link] = browser.page(PATH).all("a", href=f"{PATH}/pagerduty")
    assert link.text == "By API key"
    page = browser.page(f"{PATH}/pagerduty")
    assert "incident:Q1" in page.one("tbody").text
    assert page.all("textarea") == []
    browser.post(f"{PATH}/all", {"settings": "service=web\nreleases=yes"})
    codes = [each.text for each in browser.page(f"{PATH}/pagerduty").all("code")]
    assert "service=web" in codes
    assert "releases=yes" not in codes, "PagerDuty has no releases"
    assert browser.post(f"{PATH}/pagerduty/replay", {}).status_code == 303
    for path in ("settings", "secret", "remove"):
        assert browser.post(f"{PATH}/pagerduty/{path}", {}).status_code == 404
    assert browser.get(f"{PATH}/github").status_code == 404


def test_what_datadog_ci_sends_is_listed_with_its_paths(tenant: Tenant) -> None:
    receive(tenant, "datadog-ci", "", correlated(101, 1))
    browser = sign_in(tenant)
    assert [each.text for each in browser.page(PATH).all("a", href=f"{PATH}/datadog-ci")]
    page = browser.page(f"{PATH}/datadog-ci")
    assert f"commit:{sha(101)} of commit {sha(1)}" in page.one("tbody").text
    assert "http://testserver/api/v2/ci/deployments/correlate-image" in page.one("main").text
    assert browser.post(PATH, {"kind": "datadog-ci"}).status_code == 200
    kinds = [each.kind for each in tenant.built.store.sources.all_of(organisation(tenant))]
    assert "datadog-ci" not in kinds, "it cannot be added"


def test_nobody_sees_or_changes_another_organisations_source(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    theirs, ours = add(other_tenant), add(tenant)
    receive(other_tenant, "github", theirs.id, SUCCESS)
    number = stored(other_tenant, theirs)[0].number
    browser = sign_in(tenant)
    assert browser.get(f"{PATH}/{theirs.id}").status_code == 404
    assert browser.get(f"{PATH}/{ours.id}?delivery={number}").status_code == 404
    for path in ("settings", "secret", "replay", "remove"):
        assert browser.post(f"{PATH}/{theirs.id}/{path}", {"secret": "x"}).status_code == 404
    browser.post(f"{PATH}/{ours.id}/replay", {"delivery": str(number)})
    assert stored(other_tenant, theirs)[0].state == "done"


def test_a_key_that_only_reads_sees_sources_and_changes_none(tenant: Tenant) -> None:
    source = add(tenant)
    receive(tenant, "github", source.id, SUCCESS)
    browser: Any = sign_in(tenant, "dora_metrics_read")
    page = browser.page(f"{PATH}/{source.id}")
    assert not re.search("Replay|Remove|Settings, one", page.one("main").text)
    assert browser.post(PATH, {"kind": "github"}).status_code == 403
    for path in ("settings", "secret", "replay", "remove"):
        assert browser.post(f"{PATH}/{source.id}/{path}", {}).status_code == 403
