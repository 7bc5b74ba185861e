"""Preferences: kept in a cookie, without any script."""

import pytest

from asking import Tenant
from databases import ON_SQLITE
from visiting import Browser, sign_in

pytestmark = ON_SQLITE


@pytest.mark.parametrize(("theme", "said"), [("dark", "dark"), ("light", "light"), ("x", "")])
def test_a_theme_is_set_for_every_page(tenant: Tenant, theme: str, said: str) -> None:
    browser = sign_in(tenant)
    answer = browser.post("/preferences", {"theme": theme, "keys": "on"})
    assert answer.headers["location"] == "/preferences?saved=preferences"
    page = browser.page("/help/keyboard")
    assert page.one("html").attributes.get("data-theme", "") == said
    assert "data-keys" not in page.one("html").attributes


def test_single_keys_can_be_switched_off(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    browser.post("/preferences", {"theme": ""})
    page = browser.page("/preferences")
    assert page.one("html")["data-keys"] == "off"
    assert "checked" not in page.one("input", name="keys").attributes


def test_nobody_has_to_be_signed_in_to_choose_colours(tenant: Tenant) -> None:
    browser = Browser(tenant.client)
    answer = browser.post("/preferences", {"theme": "dark"})
    assert answer.status_code == 303
    assert browser.page("/sign-in").one("html")["data-theme"] == "dark"


def test_saving_leads_back_to_where_one_came_from(tenant: Tenant) -> None:
    browser = sign_in(tenant)
    fields = {"theme": "dark", "next": "/help/metrics"}
    answer = browser.post("/preferences", fields)
    assert answer.headers["location"] == "/help/metrics"
    fields = {"theme": "dark", "next": "//evil.example"}
    assert browser.post("/preferences", fields).headers["location"] == "/"
