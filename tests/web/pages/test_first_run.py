"""Before the first event: what to send, with this server's address and a key."""

import re
import shlex
from urllib.parse import urlsplit

import pytest

from actors import TESTER
from asking import DEPLOYMENT, SHOPIST, Tenant
from databases import ON_SQLITE
from theodora.report.invocation import HTTPS_FLAGS, datadog_site
from theodora.storage.access.key_secrets import PATTERN
from visiting import read_page, sign_in

pytestmark = ON_SQLITE


def test_an_organisation_without_an_event_is_told_how_to_send_one(tenant: Tenant) -> None:
    page = sign_in(tenant).page("/")
    assert page.one("h1").text == "Send your first deployment"
    assert [summary.text for summary in page.one("main").all("summary")] == [
        "curl",
        "datadog-ci",
        "Python",
    ]
    lines = [pre.text for pre in page.all("pre", class_="copy")]
    assert [line for line in lines if "<an API key>" not in line] == [
        f"theodora tls init api.testserver theodora serve {HTTPS_FLAGS}"
    ]
    assert "http://testserver/api/v2/dora/deployment" in lines[0]


def test_a_key_is_made_and_filled_in_and_works(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    answer = browser.post("/first-run/key")
    assert answer.status_code == 200
    page = read_page(answer.text)
    lines = [pre.text for pre in page.all("pre", class_="copy")]
    keys = {key for line in lines for key in re.findall(PATTERN, line)}
    assert len(keys) == 1
    sent = tenant.client.post(
        DEPLOYMENT,
        json={"data": {"attributes": SHOPIST}},
        headers={"DD-API-KEY": keys.pop()},
    )
    assert sent.status_code == 200
    assert browser.page("/").one("h1").text != "Send your first deployment"


def test_no_key_is_made_by_looking(tenant: Tenant) -> None:
    before = len(tenant.built.store.keys.all_of(tenant.organisation))
    browser = sign_in(tenant)
    browser.page("/")
    assert browser.get("/first-run/key").status_code == 404
    assert len(tenant.built.store.keys.all_of(tenant.organisation)) == before + 1


def test_whoever_may_not_make_keys_is_not_offered_one(tenant: Tenant) -> None:
    browser = sign_in(tenant, "dora_metrics_read")
    page = browser.page("/")
    assert not page.one("main").all("form")
    assert browser.post("/first-run/key").status_code == 403


def test_no_key_is_made_once_there_are_events(tenant: Tenant) -> None:
    tenant.create(SHOPIST)
    answer = sign_in(tenant).post("/first-run/key")
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_the_script_is_told_when_the_first_event_has_come(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    assert browser.get("/first-run/arrival").json() == {"go": None, "refused": None}
    id_ = tenant.create(SHOPIST)
    assert browser.get("/first-run/arrival").json()["go"] == f"/deployments/{id_}"


def test_the_last_refused_request_is_told_while_nothing_has_come(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    assert "Last refused: nothing." in browser.page("/").one("p", id="waiting").text
    tenant.send({"service": "web", "started_at": 1})
    tenant.built.store.reception.write(actor=TESTER).result()
    told = browser.get("/first-run/arrival").json()["refused"]
    assert told.startswith('attribute "')
    assert f"Last refused: {told}." in browser.page("/").one("p", id="waiting").text


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://dora.example.org", "dora.example.org"),
        ("https://api.dora.example.org:8443/x/", "dora.example.org:8443/x"),
        ("http://127.0.0.1:8080", "localhost:8080"),
        ("http://[::1]:8080", "localhost:8080"),
        ("http://192.0.2.1:8080", "dora.internal:8080"),
    ],
)
def test_the_line_of_datadog_ci_has_host_port_and_path(url: str, site: str) -> None:
    assert datadog_site(urlsplit(url)) == site


def test_commands_name_the_organisation(tenant: Tenant) -> None:
    lines = [code.text for code in sign_in(tenant).page("/").all("code")]
    assert f"theodora demo --org {shlex.quote(tenant.organisation)}" in lines
