"""The page of AI impact: what it compares, withholds and explains."""

import pytest

from actors import TESTER
from asking import Tenant
from databases import ON_SQLITE
from storage.test_assistance import PEOPLE, REPOSITORY, active, commit, deployment, fill
from theodora.storage import Organisation, Store
from visiting import sign_in

pytestmark = ON_SQLITE

PATH = "/ai-impact?from=2024-10-04&to=2024-11-03&query=&interval=month"


def opened(tenant: Tenant) -> tuple[Store, Organisation]:
    store = tenant.built.store
    return store, store.keys.organisation(tenant.organisation)


def test_both_sides_are_beside_each_other_with_their_noise(tenant: Tenant) -> None:
    fill(*opened(tenant))
    page = sign_in(tenant).page(PATH).one("main")
    compared, intervals, tools = page.all("table")
    rows = {
        row.one("th").text: [cell.text for cell in row.all("td")] for row in compared.all("tr")[1:]
    }
    assert "median of 6 commits" in rows["Change lead time"][0]
    assert rows["Change lead time"][2].endswith("longer")
    assert rows["Change failure rate"][2] == "no difference, within noise"
    assert rows["Pull request cycle time"][0] == "not shownfewer than five people"
    assert "No deployment of this period shipped a commit" in intervals.text
    assert tools.one("tbody").one("a").text == "Cursor"
    assert "of bots: on neither side" in page.text
    assert "does not prove a cause" in page.text


def test_few_people_are_not_shown(tenant: Tenant) -> None:
    store, org = opened(tenant)
    mark = "Assisted-by: Cursor"
    commits = [commit(0, "ada"), *(commit(at, PEOPLE[at % 4], mark) for at in range(1, 9))]
    store.commits.add_commits(org, REPOSITORY, commits, actor=TESTER).result()
    for event in (deployment(0, 0), deployment(8, 24)):
        store.deployments.add(org, event, 1, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    page = sign_in(tenant).page(PATH).one("main")
    assert "fewer than 5 people wrote the commits on a side" in page.text
    assert len(page.all("table")) == 2, "intervals and tools"


def test_without_an_assistant_the_page_shows_how_to_report_one(tenant: Tenant) -> None:
    page = sign_in(tenant).page(PATH).one("main")
    assert page.all("table") == []
    assert "No assistant was reported" in page.text
    assert "/api/v2/ai_impact/user_activity" in page.one("pre").text


def test_days_of_users_can_be_chosen_and_those_unknown_are_apart(tenant: Tenant) -> None:
    store, org = opened(tenant)
    fill(store, org)
    browser = sign_in(tenant)
    page = browser.page(f"{PATH}&level=user_day").one("main")
    assert "No activity of the authors was reported" in page.text
    assert "12 commits by 6 people without any reported activity" in page.text
    store.activity.add(org, active(PEOPLE, "2024-10-04"), actor=TESTER).result()
    text = browser.page(f"{PATH}&level=user_day").one("main").text
    assert "12 of 12" in text
    assert not any(name in text.lower().split() for name in PEOPLE)
    assert browser.get(f"{PATH}&level=person").status_code == 400


def test_a_table_is_that_of_the_api(tenant: Tenant) -> None:
    fill(*opened(tenant))
    browser = sign_in(tenant)
    link = next(each["href"] for each in browser.page(PATH).all("a") if each.text == "CSV")
    answer = browser.get(link)
    assert answer.headers["content-disposition"].endswith("ai-impact.csv")
    assert answer.text.startswith("row,start,end,partial,level,withheld")


@pytest.mark.parametrize(
    ("id_", "words"),
    [
        ("d12", "assisted by Cursor (Co-authored-by)"),
        ("d13", "by a bot: not in AI impact"),
        ("d6", ""),
    ],
)
def test_a_deployment_shows_which_commits_name_an_assistant(
    tenant: Tenant, id_: str, words: str
) -> None:
    fill(*opened(tenant))
    commits = sign_in(tenant).page(f"/deployments/{id_}").one("table", class_="commits")
    assert words in commits.text
    assert ("assist" in commits.text) == words.startswith("assist")
