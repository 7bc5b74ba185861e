"""Quick find: one hit is gone to at once, several are listed."""

from asking import FAILURE, SHOPIST, Tenant
from settling import in_every_state
from visiting import Element, sign_in


def hits(page: Element) -> dict[str, str]:
    links = page.one("table").one("tbody").all("a")
    return {link.text: link["href"] for link in links}


def found(tenant: Tenant, text: str) -> str:
    """Where a search leads that finds one thing."""
    answer = sign_in(tenant).get("/find", params={"find": text})
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def test_an_id_leads_to_its_event(tenant: Tenant) -> None:
    id_ = tenant.create(SHOPIST)
    assert found(tenant, id_) == f"/deployments/{id_}"
    failure = tenant.create({"services": ["x"], "started_at": 1693491974, "name": "down"}, FAILURE)
    assert found(tenant, failure) == f"/failures/{failure}"


def test_a_service_leads_to_its_page(tenant: Tenant) -> None:
    for version in ("v1", "v2"):
        tenant.create({**SHOPIST, "version": version})
    assert found(tenant, "shopist") == "/services/shopist"
    assert found(tenant, "  shop ") == "/services/shopist"


@in_every_state
def test_a_version_and_a_commit_lead_to_their_deployment(tenant: Tenant) -> None:
    id_ = tenant.create(SHOPIST)
    assert found(tenant, "v1.12.07") == f"/deployments/{id_}"
    assert found(tenant, "66ADC93") == f"/deployments/{id_}"


@in_every_state
def test_several_hits_are_listed(tenant: Tenant) -> None:
    for service in ("api-one", "api-two"):
        tenant.create({**SHOPIST, "service": service})
    page = sign_in(tenant).page("/find?find=api")
    assert page.one("h1").text == "2 things called “api”"
    assert hits(page) == {"api-two": "/services/api-two", "api-one": "/services/api-one"}


def test_nothing_found_says_so(tenant: Tenant) -> None:
    page = sign_in(tenant).page("/find?find=nothing")
    assert page.one("h1").text == "Nothing is called “nothing”"
    assert sign_in(tenant).page("/find").one("h1").text == "Find"


def test_what_means_something_in_a_query_means_itself_here(tenant: Tenant) -> None:
    id_ = tenant.create({**SHOPIST, "version": 'v1 (beta) "x" *?'})
    assert found(tenant, 'v1 (beta) "x" *?') == f"/deployments/{id_}"
    for text in ("*", "-", "a:b", "\\", '"', "AND", "(", "\u202e", "x" * 300):
        assert sign_in(tenant).get("/find", params={"find": text}).status_code in {200, 303}
