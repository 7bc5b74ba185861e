"""The ways that people go through the pages, by mouse and by keyboard."""

import re
import shutil
import subprocess
import time
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Route, expect

import browsing
import serving
from browsing import NARROW, WIDE
from worlds import World

SCRIPT = [pytest.param(True, id="script"), pytest.param(False, id="no script")]
MOST_WITH_SCRIPT = [SCRIPT[0], pytest.param(False, id="no script", marks=pytest.mark.slow)]
"""For forms that the tests of pages send as well, which run no script."""
VERDICT = "section[aria-labelledby=vd]"


@pytest.mark.parametrize("script", SCRIPT)
def test_the_first_event_is_sent_with_the_line_that_the_page_shows(
    chromium: Browser, nothing: World, script: bool
) -> None:
    """A key is made and filled in; the shell runs the line as it stands; the event is there."""
    if not shutil.which("curl"):
        pytest.skip("this machine has no curl")
    with browsing.window(chromium, nothing.url, java_script_enabled=script) as window:
        window.sign_in()
        page = window.page
        expect(page.locator("h1")).to_have_text("Send your first deployment")
        page.get_by_role("button", name="Create an API key and fill it in").click()
        line = page.locator("pre.copy").first.inner_text()
        sent = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
        assert '"type":"dora_deployment"' in sent.stdout, sent.stdout
        if script:
            page.wait_for_url(re.compile("/deployments/"))
        else:
            page.get_by_role("link", name="Check again").click()
        expect(page.locator("main")).to_contain_text("my-service")


@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_four_clicks_lead_from_the_first_page_to_why_a_deployment_failed(
    signed_in: Any, company: World, width: int
) -> None:
    with signed_in(company, width=width) as window:
        page = window.go("/?range=1y")
        clicks = 0
        for target in _to_a_failed_deployment(page):
            page.locator(target).first.click()
            page.wait_for_load_state()
            clicks += 1
        expect(page.locator(VERDICT).get_by_role("heading")).to_contain_text("failed")
        assert page.locator(f"{VERDICT} .lead").inner_text()
        assert clicks <= 4


def _to_a_failed_deployment(page: Page) -> list[str]:
    """What is clicked in turn: the failed ones of all, the first of them, what was tried."""
    failed = "main a[href*='change_failure:true']"
    return [failed, "table.ex-t td.fi a", f"{VERDICT} summary"]


@pytest.mark.parametrize("script", SCRIPT)
def test_a_verdict_is_corrected_and_the_correction_undone(
    signed_in: Any, company: World, script: bool
) -> None:
    """Each is seen at once, in the verdict and in the history."""
    failed = company.newest("deployments", "@change_failure:true service:search env:production")
    with signed_in(company, java_script_enabled=script) as window:
        page = window.go(f"/deployments/{failed['id']}")
        heading = page.locator("#vd")
        before = heading.inner_text()
        page.get_by_label("It did not fail").check()
        page.get_by_label("Reason").fill("the probe was wrong")
        page.get_by_role("button", name="Save verdict").click()
        expect(page.get_by_role("status")).to_contain_text("Verdict saved")
        expect(heading).not_to_have_text(before)
        expect(page.locator(".hist")).to_contain_text("the probe was wrong")
        page.get_by_role("button", name="Undo").click()
        expect(heading).to_have_text(before)


def test_a_search_is_completed_by_keyboard_alone(signed_in: Any, company: World) -> None:
    """Typed, chosen from the list, sent; the list of deployments holds that service alone."""
    with signed_in(company) as window:
        page = window.go("/deployments?query=")
        page.keyboard.press("/")
        expect(page.locator("#query")).to_be_focused()
        page.keyboard.type("service:che")
        expect(page.locator("#suggestions li").first).to_contain_text("checkout")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("Tab")
        expect(page.locator("#query")).to_have_value(re.compile("^service:checkout"))
        page.keyboard.press("Escape")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("query=service"))
        services = page.locator("table.ex-t tbody th[scope=row] a")
        assert set(services.all_inner_texts()) == {"checkout"}


@pytest.mark.parametrize("script", MOST_WITH_SCRIPT)
def test_a_search_that_is_not_understood_says_where_and_offers_a_repair(
    signed_in: Any, company: World, script: bool
) -> None:
    with signed_in(company, java_script_enabled=script) as window:
        page = window.go("/deployments?query=service%3Acheckout+(env%3Astaging", 400)
        expect(page.get_by_role("alert")).to_contain_text("at character")
        expect(page.locator("#query")).to_have_attribute("aria-invalid", "true")
        page.get_by_role("alert").get_by_role("link", name="service:checkout (env:staging)").click()
        expect(page.locator("#query")).to_have_value("service:checkout (env:staging)")
        expect(page.get_by_role("alert")).to_have_count(0)


@pytest.mark.parametrize("script", MOST_WITH_SCRIPT)
def test_a_key_is_made_used_and_revoked(
    chromium: Browser, signed_in: Any, company: World, script: bool
) -> None:
    """Another person signs in with it, and is out again once it is revoked."""
    with (
        signed_in(company, java_script_enabled=script) as window,
        browsing.window(chromium, company.url, java_script_enabled=script) as other,
    ):
        page = window.go("/settings/keys")
        page.get_by_label("Name").fill(f"for a guest {script}")
        page.get_by_label("Application key:").check()
        page.get_by_label("dora_metrics_read").check()
        page.get_by_role("button", name="Create key").click()
        other.sign_in(page.locator("pre.copy").inner_text().strip())
        window.go("/settings/keys")
        page.get_by_role("link", name=f"Revoke for a guest {script}").click()
        page.get_by_role("button", name="Revoke permanently").click()
        expect(page.get_by_role("status")).to_contain_text("Key revoked")
        other.page.goto(company.url + "/deployments")
        assert other.path.startswith("/sign-in")


@pytest.mark.parametrize("script", MOST_WITH_SCRIPT)
def test_rules_are_tried_before_they_are_saved(
    signed_in: Any, company: World, script: bool
) -> None:
    """The preview says what would be marked and changes nothing."""
    with signed_in(company, java_script_enabled=script) as window:
        page = window.go("/settings/rules")
        page.get_by_role("button", name="Preview").first.click()
        expect(page.locator("#preview")).to_be_visible()
        expect(page.get_by_role("status")).to_contain_text("Would mark")
        assert "preview=1" in window.path
        expect(page.get_by_role("button", name="Save these rules")).to_be_visible()


@pytest.mark.parametrize("script", MOST_WITH_SCRIPT)
def test_who_signs_out_is_out(chromium: Browser, company: World, script: bool) -> None:
    with browsing.window(chromium, company.url, java_script_enabled=script) as window:
        window.sign_in()
        window.page.locator("summary[aria-label=Account]").click()
        window.page.get_by_role("button", name="Sign out").click()
        window.page.wait_for_load_state()
        window.page.goto(company.url + "/deployments")
        assert window.path.startswith("/sign-in")


def test_without_events_the_wall_fetches_what_is_new_unless_it_is_in_use(
    signed_in: Any, company: World
) -> None:
    """By the browser's clock, so that the test waits for nothing."""
    with signed_in(company) as window:
        page = window.page
        page.clock.install()
        page.add_init_script("delete globalThis.EventSource")
        window.go("/now?query=service:wall")
        newest = page.locator("section[aria-labelledby=newest]")
        expect(newest).to_contain_text("none")
        deploy_now(company, "wall-1")
        page.clock.run_for(31_000)
        expect(newest).to_contain_text("wall-1")
        deploy_now(company, "wall-2")
        newest.get_by_role("link", name="As a list").focus()
        page.clock.run_for(31_000)
        expect(newest).not_to_contain_text("wall-2")
        page.evaluate("document.activeElement.blur()")
        page.clock.run_for(31_000)
        expect(newest).to_contain_text("wall-2")


@pytest.mark.parametrize("script", [True, False])
def test_a_wall_shared_by_a_link_stays_up_to_date_until_that_is_revoked(
    chromium: Browser, signed_in: Any, company: World, script: bool
) -> None:
    """By events where there is a script, by the browser alone where there is none."""
    service = f"wall-{script}"
    with (
        signed_in(company) as editor,
        browsing.window(chromium, company.url, java_script_enabled=script) as screen,
    ):
        editor.go(f"/now?query=service:{service}")
        editor.page.locator("summary[aria-label=Account]").click()
        editor.page.get_by_role("link", name="Share this page").click()
        editor.page.get_by_role("button", name="Make a link").click()
        link = editor.page.locator("#link").inner_text().strip()
        # The same page, which need not be waited for as long.
        screen.page.route("**/shared/*", _seconds_for_half_minutes)
        screen.go(link.removeprefix(company.url))
        newest = screen.page.locator("section[aria-labelledby=newest]")
        expect(newest).to_contain_text("none")
        deploy_now(company, "wall-1", service)
        expect(newest).to_contain_text("wall-1")
        screen.expected_statuses.add(404)
        editor.page.get_by_role("button", name="Revoke").first.click()
        if script:
            deploy_now(company, "wall-2", service)
            expect(screen.page.locator("#wall .sub.bad")).to_be_visible()
        else:
            expect(screen.page.get_by_role("heading", level=1)).to_have_text("Page not found")
        expect(newest.get_by_text("wall-2")).to_have_count(0)


def _seconds_for_half_minutes(route: Route) -> None:
    if route.request.resource_type != "document":
        return route.continue_()
    answer = route.fetch()
    page = answer.text().replace(
        'http-equiv="refresh" content="30"', 'http-equiv="refresh" content="1"'
    )
    return route.fulfill(response=answer, body=page)


def deploy_now(company: World, version: str, service: str = "wall") -> None:
    now_sec = int(time.time())
    times = {"started_at": (now_sec - 5) * 10**9, "finished_at": (now_sec - 1) * 10**9}
    attributes = {"service": service, "version": version, "env": "preview", **times}
    company.ask("/api/v2/dora/deployment", {"attributes": attributes})


def test_a_sign_in_link_works_in_a_tab_that_has_the_page_open(
    chromium: Browser, company: World
) -> None:
    """Also where its form is out of date, as somebody has signed in in another tab since."""
    with browsing.window(chromium, company.url) as window:
        page = window.go("/sign-in")
        other = page.context.new_page()
        other.goto(f"{company.url}/sign-in")
        other.fill("#key", serving.APPLICATION_KEY)
        other.click("main button")
        page.evaluate(f"location.href = '{company.url}/sign-in#key={serving.APPLICATION_KEY}'")
        expect(page.locator("h1")).to_have_text("All services in production")
        assert serving.APPLICATION_KEY not in page.url
