"""service.datadog.yaml and CODEOWNERS: what they say about services."""

import re
from pathlib import Path
from typing import Any

import pytest

from theodora.errors import Invalid
from theodora.sources.service_files import CodeOwners, DescribedService, read_service_file

V2 = """
schema-version: v2.2
dd-service: web
team: storefront
application: shop
languages: [python, go, python]
tags: ["tier:1", "cost:high"]
links:
  - {name: Runbook, type: runbook, url: "https://example.org/runbook"}
---
schema-version: v2
dd-service: worker
"""
V3 = """
apiVersion: v3
kind: service
metadata:
  name: cart
  owner: checkout
  tags: ["tier:2"]
spec:
  lifecycle: production
  languages: [java]
datadog:
  codeLocations:
    - repositoryURL: https://github.com/acme/shop.git
      paths: ["/services/cart/**", "./libs/money/**"]
    - repositoryURL: https://github.com/acme/other.git
---
apiVersion: v3
kind: system
metadata: {name: shop}
---
"""
OWNERS = """
# Everybody's
*                   @acme/platform
*.sql               @acme/data ana@example.org
/services/cart/     @ana @acme/checkout
apps/               @acme/apps
docs/*              @acme/writers
/services/cart/tmp/ # nobody's
[Web][2] @acme/web
web/**
"""


def test_the_schemas_of_version_2_give_team_languages_and_tags() -> None:
    given = {"team": "storefront", "languages": ["python", "go"], "tags": ["tier:1", "cost:high"]}
    assert read_service_file(V2) == [DescribedService("web", given), DescribedService("worker", {})]


def test_version_3_gives_path_globs_too() -> None:
    given: dict[str, Any] = {
        "team": "checkout",
        "languages": ["java"],
        "tags": ["tier:2"],
        "path_globs": ["services/cart/**", "libs/money/**"],
    }
    assert read_service_file(V3) == [DescribedService("cart", given)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: [", "not YAML"),
        ("!!python/object/apply:os.system [ls]", "not YAML"),
        ("- a", "a description is an object"),
        ("schema-version: v1\ninfo: {dd-service: web}", 'v2.2 or v3, not "v1"'),
        ("dd-service: web", 'not "none"'),
        ("schema-version: v2.2", "it names no service"),
        ("schema-version: v2.2\ndd-service: web\nteam: " + "t" * 256, "1 to 255 characters"),
        ("schema-version: v2.2\n" + "#" * 2**20, "more than 1,048,576 bytes"),
        ("a: " + "[" * 20_000, "not YAML"),
    ],
)
def test_what_is_no_description_is_rejected(text: str, problem: str) -> None:
    with pytest.raises(Invalid, match=problem):
        read_service_file(text)


@pytest.mark.parametrize(
    ("path", "team"),
    [
        ("readme.md", "platform"),
        ("services/cart/main.go", "checkout"),
        ("services/cart/tables/a.sql", "checkout"),
        ("services/pay/a.sql", "data"),
        ("services/cart/tmp/x", None),
        ("other/services/cart/x", "platform"),
        ("a/apps/b/c", "apps"),
        ("docs/a.md", "writers"),
        ("docs/more/a.md", "platform"),
        ("web/src/a.ts", "web"),
    ],
)
def test_the_last_pattern_that_fits_names_the_owner(path: str, team: str | None) -> None:
    assert CodeOwners(OWNERS).team_of(path) == team


def test_a_service_belongs_to_the_owner_of_its_code() -> None:
    owners = CodeOwners(OWNERS)
    cart = DescribedService("cart", {"path_globs": ["!docs/**", "services/cart/**"]})
    assert owners.team_of_service(cart, "service.datadog.yaml") == "checkout"
    assert owners.team_of_service(DescribedService("web", {}), "web/x.yaml") == "web"
    anywhere = DescribedService("sql", {"path_globs": ["**/*.sql"]})
    assert owners.team_of_service(anywhere, "apps/x.yaml") == "apps"
    assert CodeOwners("* @ana").team_of("x") is None, "a person is no team"


def test_the_documented_files_say_what_the_documentation_says() -> None:
    page = (Path(__file__).parents[2] / "docs" / "sources.md").read_text()
    described, owners = (
        re.findall(rf"<!-- {name} -->\n```\w*\n(.*?)```", page, re.DOTALL)[0]
        for name in ("service.datadog.yaml", "CODEOWNERS")
    )
    [cart] = read_service_file(described)
    assert cart.given == {
        "languages": ["python"],
        "tags": ["tier:1"],
        "path_globs": ["services/cart/**"],
    }
    assert CodeOwners(owners).team_of_service(cart, "service.datadog.yaml") == "checkout"
