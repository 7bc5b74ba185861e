"""The pages of pull requests: the list with its figures, one of them, and its deployment."""

import csv
import io

from asking import Tenant
from databases import ON_SQLITE
from visiting import Element, sign_in
from web.api.test_pull_requests import tell

pytestmark = ON_SQLITE
"""What pages read is tested on each kind of database where it is read: here what they show."""

PERIOD = "from=2023-11-14&to=2023-11-17"
PAGE = f"/pull-requests?{PERIOD}"
SHIPPED = "/deployments/shop-deployment-v2"


def links(element: Element) -> dict[str, str]:
    """Where the links lead, by their words."""
    return {each.text: each["href"] for each in element.all("a")}


def test_without_any_the_page_says_how_to_send_them(tenant: Tenant) -> None:
    page = sign_in(tenant).page("/pull-requests")
    assert "No pull requests yet" in page.text
    assert links(page.one("main"))["add a source"] == "/settings/sources"
    assert "theodora import pull-requests" in page.text


def test_requests_stand_last_updated_first_without_those_of_bots(tenant: Tenant) -> None:
    tell(tenant)
    browser = sign_in(tenant)
    page = browser.page(PAGE)
    rows = page.one("table", class_="big").one("tbody").all("tr")
    assert [row.one("th").one("a")["href"].partition("?")[0] for row in rows] == [
        "/pull-requests/github.com:acme:shop:1",
        "/pull-requests/github.com:acme:shop:2",
    ]
    assert [cell.text for cell in rows[0].all("td")][1:] == [
        *("ada", "Merged", "4 h", "2 h", "2 h", "42"),
    ]
    assert page.one("p", class_="cnt").text == "2 pull requests updated in this period"
    with_bots = browser.page(links(page)["Show 1 of bots"])
    assert len(with_bots.one("table", class_="big").one("tbody").all("tr")) == 3
    narrowed = browser.page(f"{PAGE}&query=state:open author:bo")
    assert len(narrowed.one("table", class_="big").one("tbody").all("tr")) == 1


def test_columns_of_requests_are_chosen(tenant: Tenant) -> None:
    tell(tenant)
    page = sign_in(tenant).page(f"{PAGE}&columns=merge_time,service,number_of_commits,@team")
    table = page.one("table", class_="big")
    heads = [head.text for head in table.one("thead").all("th")]
    assert heads == ["Pull request", "Services", "Commits", "Merge"]
    assert table.one("tbody").all("tr")[0].all("td")[0].text == "shop"
    assert "There is no column @team." in page.one("p", role="status").text


def test_figures_are_of_merged_requests_and_by_group(tenant: Tenant) -> None:
    tell(tenant)
    page = sign_in(tenant).page(f"{PAGE}&group_by=service")
    figures = {
        row.one("th").text: [cell.text for cell in row.all("td")]
        for row in page.all("table", class_="plain")[0].one("tbody").all("tr")
    }
    assert figures["Cycle time"][:3] == ["1", "4 h", "4 h"]
    assert figures["Time to deploy"][1] == "2 h"
    assert figures["Lines"][1] == "42"
    (group,) = page.all("table", class_="plain")[1].one("tbody").all("tr")
    assert (group.one("th").text, group.all("td")[2].text) == ("shop", "4 h")
    page = sign_in(tenant).page(f"{PAGE}&group_by=interval&interval=day")
    days = page.all("table", class_="plain")[1].one("tbody").all("tr")
    assert [row.all("td")[0].text for row in days] == ["0", "1", "0"]


def test_a_request_and_its_deployment_name_each_other(tenant: Tenant) -> None:
    tell(tenant)
    browser = sign_in(tenant)
    page = browser.page("/pull-requests/github.com:acme:shop:1")
    assert page.one("h1").text == "Show delivery dates"
    assert page.one("section", **{"aria-labelledby": "sh"}).one("a")["href"] == SHIPPED
    stages = page.one("section", **{"aria-labelledby": "st"}).one("tbody").all("tr")
    assert [row.all("td")[1].text for row in stages] == ["1 h", "2 h", "1 h", "2 h", "30 min"]
    deployment = browser.page(SHIPPED)
    link = deployment.one("section", **{"aria-labelledby": "pr"}).one("a")
    assert (link.text, link["href"]) == (
        "Show delivery dates",
        "/pull-requests/github.com:acme:shop:1",
    )
    assert browser.get("/pull-requests/github.com:acme:shop:9").status_code == 404


def test_the_list_comes_as_csv(tenant: Tenant) -> None:
    tell(tenant)
    text = sign_in(tenant).get(f"/pull-requests.csv?{PERIOD}").text
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [(row["number"], row["state"], row["cycle_time"]) for row in rows] == [
        ("1", "merged", "14400"),
        ("2", "open", ""),
    ]


def test_the_search_box_offers_the_fields_of_requests(tenant: Tenant) -> None:
    tell(tenant)
    browser = sign_in(tenant)
    box = browser.page(PAGE).one("input", id="query")["data-complete"].partition("?")[0]

    def offered(query: str) -> list[str]:
        items = browser.get(f"{box}?query={query}&at={len(query)}").json()["items"]
        return [item["label"] for item in items]

    assert {"cycle_time", "author"} <= {*offered("cycle"), *offered("auth")}
    assert offered("state:m") == ["merged"]
    assert "change_failure" not in offered("change")


def test_a_search_of_requests_is_not_kept_on_other_pages(tenant: Tenant) -> None:
    tell(tenant)
    page = sign_in(tenant).page(f"{PAGE}&query=author:ada")
    found = links(page)
    (deployments,) = (href for words, href in found.items() if words.startswith("Deployments"))
    assert "query" not in deployments
    assert "query=author:ada" in found["CSV"]
