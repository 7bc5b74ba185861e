"""The page of services: what was set for each, and the form that sets it."""

from typing import Any

import pytest

from actors import TESTER
from asking import SHOPIST, Tenant
from databases import ON_EACH, ON_SQLITE
from settling import in_every_state
from visiting import FROM_ELSEWHERE, Browser, Element, read_page, sign_in

pytestmark = ON_SQLITE

PATH = "/settings/services"
HOSTILE = '"><script>alert(1)</script>'


def deploy(tenant: Tenant, *services: str) -> None:
    for service in services:
        tenant.create({**SHOPIST, "service": service})


def given(tenant: Tenant, service: str = "") -> dict[str, Any]:
    store = tenant.built.store
    return store.settings.given(store.keys.organisation(tenant.organisation), service)


def save(browser: Browser, status: int = 303, **fields: str) -> Any:
    answer = browser.post(PATH, fields)
    assert answer.status_code == status, answer.text
    return answer


def rows(page: Element) -> list[Element]:
    return page.one("table").one("tbody").all("tr")[1:]


def test_services_without_a_team_lead(tenant: Tenant) -> None:
    deploy(tenant, "alpha", "beta", "gamma")
    browser = sign_in(tenant)
    save(browser, service="alpha", team="Payments")
    shown = [row.one("th").text for row in rows(browser.page(PATH))]
    assert shown == ["beta", "gamma", "alpha"]
    assert "2 have no team; listed first" in browser.page(PATH).one("main").text


def test_a_service_is_edited(tenant: Tenant) -> None:
    deploy(tenant, "web")
    browser = sign_in(tenant)
    answer = save(
        browser,
        service="web",
        team=" Shop ",
        production_envs="Live\n\nprod-eu\n",
        path_globs="web/**\r\n!**/*.md",
        exclude_authors="*[bot]\r\nci@example.org",
        exclude_labels="dependencies",
    )
    assert answer.headers["location"] == f"{PATH}?saved=web"
    assert given(tenant, "web") == {
        "team": "Shop",
        "production_envs": ["live", "prod-eu"],
        "path_globs": ["web/**", "!**/*.md"],
        "exclude_authors": ["*[bot]", "ci@example.org"],
        "exclude_labels": ["dependencies"],
    }
    assert browser.page(f"{PATH}?saved=web").one(role="status").text.startswith("Saved for web")
    form = browser.page(f"{PATH}?edit=web")
    assert form.one("input", id="team")["value"] == "Shop"
    assert form.one("textarea", id="path_globs").text == "web/** !**/*.md"
    assert form.one("textarea", id="exclude_authors").text == "*[bot] ci@example.org"
    assert form.one("textarea", id="exclude_labels").text == "dependencies"
    main = browser.page("/services/web").one("main").text
    assert "lead time excludes *[bot], ci@example.org, dependencies" in main


def test_bots_are_set_for_the_organisation_alone(tenant: Tenant) -> None:
    deploy(tenant, "web")
    browser = sign_in(tenant)
    save(browser, service="", bots="release-robot\r\n*@ci.example")
    assert given(tenant, "") == {"bots": ["release-robot", "*@ci.example"]}
    form = browser.page(f"{PATH}?edit=")
    assert form.one("textarea", id="bots").text == "release-robot *@ci.example"
    assert not browser.page(f"{PATH}?edit=web").all("textarea", id="bots")
    save(browser, 400, service="web", bots="release-robot")


def test_a_field_left_empty_is_as_for_every_service(tenant: Tenant) -> None:
    deploy(tenant, "web")
    browser = sign_in(tenant)
    save(browser, service="web", team="Shop", production_envs="live")
    save(browser, service="web", team="", production_envs="")
    assert given(tenant, "web") == {}


def test_rules_stay_when_a_service_is_edited(tenant: Tenant) -> None:
    store = tenant.built.store
    org = store.keys.organisation(tenant.organisation)
    store.settings.put(org, {"rollback_lookback": 3}, "web", actor=TESTER).result()
    save(sign_in(tenant), service="web", team="Shop")
    assert given(tenant, "web") == {"rollback_lookback": 3, "team": "Shop"}


def test_the_organisation_is_edited_as_well(tenant: Tenant) -> None:
    deploy(tenant, "web")
    browser = sign_in(tenant)
    save(browser, service="", production_envs="live")
    assert given(tenant) == {"production_envs": ["live"]}
    form = browser.page(f"{PATH}?edit=web")
    assert form.one("textarea", id="production_envs")["placeholder"] == "live"


def test_what_is_wrong_is_said_at_the_field_and_nothing_is_saved(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    answer = save(browser, 400, service="web", team="Shop", path_globs="web/**\n" + "x" * 201)
    page = read_page(answer.text)
    wrong = page.one(aria_invalid="true")
    assert wrong["id"] == "path_globs"
    assert page.one(id=wrong["aria-describedby"]).text.startswith("Line 2 must be a text")
    assert page.one("input", id="team")["value"] == "Shop"
    assert given(tenant, "web") == {}


@ON_EACH
@in_every_state
def test_names_are_found_by_a_part_of_them(tenant: Tenant) -> None:
    deploy(tenant, "checkout-api", "checkout-web", "search")
    page = sign_in(tenant).page(f"{PATH}?named=CHECK")
    assert [row.one("th").text for row in rows(page)] == ["checkout-api", "checkout-web"]


def test_a_hostile_name_is_only_a_name(tenant: Tenant) -> None:
    deploy(tenant, HOSTILE)
    browser = sign_in(tenant)
    (row,) = rows(browser.page(PATH))
    edit = row.all("a", class_="act")[-1]["href"].partition("#")[0]
    assert browser.page(edit).one("h2", id="edit").text == HOSTILE
    save(browser, service=HOSTILE, team=HOSTILE)
    assert "<script>alert" not in browser.get(PATH).text
    assert given(tenant, HOSTILE) == {"team": HOSTILE}


@pytest.mark.parametrize("service", ["x" * 256, "a\x00b"])
def test_what_cannot_be_the_name_of_a_service_is_refused(tenant: Tenant, service: str) -> None:
    save(sign_in(tenant), 400, service=service, team="Shop")
    assert given(tenant, service) == {}


def test_whoever_may_not_change_settings_sees_them_alone(tenant: Tenant) -> None:
    deploy(tenant, "web")
    browser = sign_in(tenant, "dora_metrics_read")
    page = browser.page(f"{PATH}?edit=web")
    assert not [form for form in page.one("main").all("form") if form["method"] == "post"]
    assert "cannot change settings" in page.one("main").text
    assert browser.post(PATH, {"service": "web", "team": "x"}).status_code == 403


def test_nothing_is_saved_for_a_form_of_another_server(tenant: Tenant) -> None:
    assert (
        sign_in(tenant)
        .post(PATH, {"service": "web", "team": "x"}, headers=FROM_ELSEWHERE)
        .status_code
        == 403
    )
    assert given(tenant, "web") == {}


def test_another_organisation_has_services_and_settings_of_its_own(
    tenant: Tenant, other_tenant: Tenant
) -> None:
    deploy(tenant, "web")
    deploy(other_tenant, "their-service")
    save(sign_in(other_tenant), service="web", team="Theirs")
    text = sign_in(tenant).get(PATH).text
    assert "their-service" not in text
    assert "Theirs" not in text
    assert given(tenant, "web") == {}


def test_mirrors_describe_services_if_the_organisation_wants_it(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    save(browser, service="", service_files="on")
    assert given(tenant) == {"service_files": True}
    [box] = browser.page(f"{PATH}?edit=").all("input", name="service_files")
    assert "checked" in box.attributes
    assert not browser.page(f"{PATH}?edit=web").all("input", name="service_files")
    save(browser, service="")
    assert given(tenant) == {}
    save(browser, 400, service="web", service_files="on")


def test_repositories_that_moved_are_set_for_the_organisation(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    line = "https://git.example.com/old/app -> github.com/acme/app"
    save(browser, service="", repository_aliases=f"{line}\n")
    aliases = {"git.example.com/old/app": "github.com/acme/app"}
    assert given(tenant) == {"repository_aliases": aliases}
    shown = browser.page(f"{PATH}?edit=").one("textarea", id="repository_aliases").text
    assert shown == "git.example.com/old/app -> github.com/acme/app"
    assert not browser.page(f"{PATH}?edit=web").all("textarea", id="repository_aliases")
    answer = save(browser, 400, service="", repository_aliases="github.com/acme/app")
    assert "must lead from one" in read_page(answer.text).one("main").text
    assert given(tenant) == {"repository_aliases": aliases}
