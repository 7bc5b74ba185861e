"""`theodora report`: a month, as one HTML file and as Markdown."""

import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from actors import TESTER
from theodora.cli import main
from theodora.events import Deployment, Failure
from theodora.report.wording import NARROW
from theodora.storage import Store
from visiting import read_page

DAY_NS = 86_400 * 10**9
OCTOBER_NS = 1_759_276_800 * 10**9
"""1 October 2025."""
HOSTILE = '<script>alert("x")</script> | *b* `c`\n# d'


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Three months of two teams; in October one deployment is undone, one failure stays open."""
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    with Store(url) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        for day in range(-61, 31, 2):
            version = "v-bad" if day == 9 else f"v{7 if day in (7, 11) else day}"
            at = OCTOBER_NS + day * DAY_NS
            for service, team in (("web", "red"), ("pay", "blue")):
                of_service = version if service == "web" else f"v{day}"
                event = Deployment(
                    service=service,
                    env="production",
                    team=team,
                    version=of_service,
                    started_at_ns=at,
                    finished_at_ns=at,
                )
                store.deployments.add(org, event, 1, actor=TESTER).result()
        staging = Deployment(
            service="web", env="staging", started_at_ns=OCTOBER_NS, finished_at_ns=OCTOBER_NS
        )
        store.deployments.add(org, staging, 1, actor=TESTER).result()
        incident = Failure(
            services=("web",),
            env="production",
            team="red",
            started_at_ns=OCTOBER_NS,
            finished_at_ns=OCTOBER_NS + DAY_NS // 24,
        )
        store.failures.add(org, incident, 1, actor=TESTER).result()
        store.derivations.derive_all_queued(actor=TESTER)
    return url


def run(url: str, *arguments: str) -> Result:
    return CliRunner().invoke(main, ["report", "--database", url, *arguments])


def written(url: str, *arguments: str) -> str:
    done = run(url, *arguments)
    assert done.exit_code == 0, done.output
    return done.output.replace(NARROW, " ").replace("\u00a0", " ")


def test_a_page_says_what_the_endpoint_says(url: str):
    page = read_page(written(url, "--month", "2025-10"))
    assert page.one("h1").text == "Delivery in October 2025"
    said = [[line.text for line in card.all("p")[1:4]] for card in page.all("article")]
    lower, higher = "0.2 fewer a week", "3.3 points higher"
    assert said == [
        ["6.8 a week", "30 deployments in 31 days", f"▼ {lower}, within noise7.0 before"],
        ["no value", "no lead times in this period", "nothing to compare with"],
        ["2 d", "median of 1 failure", "nothing to compare with"],
        ["3.3 %", "1 of 30 evaluated", f"▲ {higher}, within noise0.0 % before"],
        ["3.3 %", "1 of 30 evaluated", f"▲ {higher}, within noise0.0 % before"],
    ]
    assert "compared with September 2025" in page.one("p", class_="sub").text
    rows = [row.one("th").text for row in page.all("table")[0].one("tbody").all("tr")]
    assert sorted(rows) == ["pay", "web"]


def test_a_page_is_one_file_without_script_or_anything_to_load(url: str):
    text = written(url, "--month", "2025-10")
    page = read_page(text)
    assert page.all("script") == []
    assert page.all("link") == []
    assert page.all("form") == []
    assert page.all("a") == []
    elements = list(page.everything())
    assert [tag for tag in elements if "src" in tag.attributes] == []
    assert {tag["href"][0] for tag in elements if "href" in tag.attributes} == {"#"}
    assert "url(http" not in text
    assert len(text) < 90_000


def test_numbers_lead_to_a_dashboard_if_there_is_one(url: str):
    page = read_page(written(url, "--month", "2025-10", "--url", "https://dora.example.org/"))
    links = {link["href"] for link in page.all("a")}
    assert links
    assert all(link.startswith("https://dora.example.org/") for link in links)


def test_a_team_is_reported_alone(url: str):
    page = read_page(written(url, "--month", "2025-10", "--team", "red"))
    rows = [row.one("th").text for row in page.all("table")[0].one("tbody").all("tr")]
    assert rows == ["web"]
    assert "Team red" in page.one("p", class_="sub").text


def test_markdown_has_the_same_numbers(url: str):
    text = written(url, "--month", "2025-10", "--team", "red", "--format", "markdown")
    lines = text.splitlines()
    assert lines[0] == "## Delivery of red, October 2025"
    cells = {
        row[0]: row[1:]
        for row in ([cell.strip() for cell in line.strip("|").split("|")] for line in lines)
        if len(row) > 4
    }
    assert cells["Change failure rate"][:2] == ["**6.7 %**", "1 of 15 evaluated"]
    assert cells["Failed deployment recovery"][:2] == ["**2 d**", "median of 1 failure"]
    assert cells["web"] == ["15", "—", "2 d", "6.7 % (1/15)", "6.7 % (1/15)"]
    assert "- web v-bad, Fri 10 Oct 2025, 00:00: rollback after 2 d" in lines


@pytest.fixture
def changed(url: str) -> str:
    """In October a service with a hostile name was deployed ten times as often as before."""
    with Store(url) as store:
        org = store.keys.organisation("default")
        for hours in (*range(-600, 0, 60), *range(0, 720, 6)):
            at = OCTOBER_NS + hours * DAY_NS // 24
            event = Deployment(
                service=HOSTILE,
                env="production",
                version=f"v{hours}",
                started_at_ns=at,
                finished_at_ns=at,
            )
            written = store.deployments.add(org, event, 1, actor=TESTER)
        written.result()
        incident = Failure(
            name=HOSTILE, services=("pay",), env="production", started_at_ns=OCTOBER_NS
        )
        store.failures.add(org, incident, 1, actor=TESTER).result()
        store.derivations.derive_all_queued(actor=TESTER)
    return url


def test_what_changed_and_what_needs_you_are_sentences(changed: str):
    url = "https://dora.example.org"
    page = read_page(written(changed, "--month", "2025-10", "--url", url))
    sections = {part.one("h2").text: part for part in page.all("section") if part.all("h2")}
    (change,) = sections["What changed"].all("li")
    assert change.text.endswith(": 120 deployments, 3.9 a day, 0.3 before")
    assert change.one("a")["href"].startswith(f"{url}/?query=is:production+service:")
    (need,) = sections["What needs you"].all("li")
    assert need.text.startswith("<script>")
    assert ": open for " in need.text
    assert need.one("a")["href"].startswith(f"{url}/failures/")


def test_markdown_has_the_same_sentences(changed: str):
    text = written(changed, "--month", "2025-10", "--format", "markdown")
    lines = text.splitlines()
    head = lines.index("What changed:")
    safe = '\u2068&lt;script&gt;alert("x")&lt;/script&gt; \\| \\*b\\* \\`c\\`␊\\# d\u2069'
    assert lines[head + 1] == f"- {safe}: 120 deployments, 3.9 a day, 0.3 before"
    need = lines[lines.index("What needs you:") + 1]
    assert need.startswith(f"- {safe}: open for ")
    assert "\n\n\n" not in text


def test_a_report_without_a_change_says_so(url: str):
    assert "No significant change since September 2025." in written(url, "--month", "2025-10")
    text = written(url, "--month", "2025-10", "--format", "markdown")
    assert "No significant change since September 2025." in text.splitlines()


def test_without_a_month_the_last_that_is_over_is_reported(url: str):
    page = read_page(written(url))
    assert re.fullmatch(r"Delivery in \w+ \d{4}", page.one("h1").text)


def test_a_month_without_deployments_says_so(url: str):
    page = read_page(written(url, "--month", "2024-02"))
    assert "There were no deployments in February 2024." in page.one("main").text
    assert "None" not in page.one("main").text
    assert "no value" in written(url, "--month", "2024-02", "--format", "markdown")


def test_a_running_month_is_compared_with_as_much_of_the_one_before(url: str):
    text = written(url, "--month", "2199-01", "--format", "markdown")
    assert text.startswith("## Delivery, January 2199, so far")


def test_hostile_names_stay_text(url: str):
    with Store(url) as store:
        org = store.keys.organisation("default")
        event = Deployment(
            service=HOSTILE,
            env="production",
            team=HOSTILE,
            version="v1",
            started_at_ns=OCTOBER_NS,
            finished_at_ns=OCTOBER_NS,
        )
        store.deployments.add(org, event, 1, actor=TESTER).result()
        store.derivations.derive_all_queued(actor=TESTER)
    page = read_page(written(url, "--month", "2025-10"))
    assert page.all("script") == []
    assert '<script>alert("x")</script>' in page.one("main").text
    markdown = written(url, "--month", "2025-10", "--format", "markdown")
    assert "<script" not in markdown
    assert "\n# d" not in markdown


@pytest.mark.parametrize("month", ["2025", "2025-13", "2025-1", "0001-01", "October"])
def test_a_month_that_is_none_is_refused(url: str, month: str):
    done = run(url, "--month", month)
    assert done.exit_code == 1
    assert "must be a month such as 2026-10" in done.output
