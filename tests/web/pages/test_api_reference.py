"""The API reference shows every operation, with a command that works."""

import json
import subprocess
from collections.abc import Iterator
from urllib.parse import quote

import httpx2
import pytest

import serving
from asking import Tenant
from databases import ON_SQLITE
from forked_serving import forked
from theodora.web.api.documents import DOCUMENTS
from theodora.web.api.openapi import openapi_document
from theodora.web.api.routes import OPERATIONS
from visiting import Browser, read_page, sign_in

pytestmark = ON_SQLITE

TOKEN = "7" * 32
# What they need is not in the examples: another event, and files.
NOT_RUN = {
    "PatchDORADeployment": "its example names the deployment that fixed this one",
    "PutDORADeploymentVerdict": "the same",
    "PatchDORADeploymentByVersion": "the same",
    "DeleteDORADeploymentVerdict": "without them, there is no verdict",
    "GetDORAPullRequest": "no operation makes one: tests/test_pasted_pages.py asks for it",
    "UploadPackfile": "it sends files",
    "UploadTrackedFiles": "it sends files",
    "ReceiveWebhook": "its provider signs it",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    badges = {"THEODORA_BADGES": f"default={TOKEN}"}
    with forked(tmp_path_factory.mktemp("reference"), environment=badges) as started:
        yield started


def test_every_command_works_when_it_is_pasted(server: serving.Server) -> None:
    """In a shell that has the keys, and with the ids of what is new; these are deleted last."""
    commands = {each.name: shown_command(server, each.name) for each in OPERATIONS}
    assert [name for name, command in commands.items() if not command] == ["ReceiveWebhook"]
    ids = {
        example: httpx2.post(
            f"{server.url}/api/v2/dora/{kind}", headers=serving.KEYS, json=document.example.request
        ).json()["data"]["id"]
        for kind, example, document in (
            ("deployment", "64f25434490ef9c7", DOCUMENTS["CreateDORADeployment"]),
            ("failure", "3b8f1948-30ae-5811-8c4a-81cf3f597a0c", DOCUMENTS["CreateDORAFailure"]),
            (
                "notification_receivers",
                "5f2b8c1d9e3a4f6b7c8d9e0f",
                DOCUMENTS["CreateDORANotificationReceiver"],
            ),
        )
    }
    for operation in sorted(OPERATIONS, key=lambda each: each.method == "DELETE"):
        command = commands[operation.name]
        for example, id_ in ids.items():
            command = command.replace(example, id_)
        if operation.name not in NOT_RUN:
            assert asked(command) == min(operation.statuses), operation.name


def shown_command(server: serving.Server, name: str) -> str:
    page = httpx2.get(f"{server.url}/help/api/{name}", headers={"Accept": "text/html"})
    shown = read_page(page.text).all("pre", class_="copy")
    return "".join(shown[0]._texts()) if shown else ""


def asked(command: str) -> int:
    """The status that the command gets."""
    keys = {"DD_API_KEY": serving.API_KEY, "DD_APP_KEY": serving.APPLICATION_KEY, "TOKEN": TOKEN}
    silent = command.replace("curl", "curl --silent --output /dev/null --write-out '%{http_code}'")
    done = subprocess.run(
        ["bash", "-ec", silent],
        env={"PATH": "/usr/bin:/bin", **keys},
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def test_each_operation_is_shown_as_it_is_described(tenant: Tenant) -> None:
    """To everybody, as /openapi.json is."""
    browser = Browser(tenant.client)
    described = json.loads(openapi_document(""))["paths"]
    for operation in OPERATIONS:
        page = browser.page(f"/help/api/{operation.name}")
        found = described[operation.paths[0]][operation.method.lower()]
        text = page.one("main").text
        assert page.one("h1").text == operation.summary
        assert all(f"{operation.method} {path}" in text for path in operation.paths)
        assert operation.access.credential.value in text
        assert (operation.access.permission or "") in text
        names = {code.text for code in page.all("code")}
        assert names >= {each["name"] for each in found.get("parameters", ())}
        rows = page.one("section", aria_labelledby="answers").all("th", scope="row")
        assert [row.text for row in rows] == list(found["responses"])
        anchors = [each.attributes["id"] for each in page.everything() if "id" in each.attributes]
        assert len(anchors) == len(set(anchors))
        links = {each["href"] for each in page.one("main").all("a")}
        assert {each[1:] for each in links if each.startswith("#")} <= set(anchors)


def test_members_have_their_types_limits_and_words(tenant: Tenant) -> None:
    page = sign_in(tenant).page("/help/api/CreateDORADeployment")
    body = page.one("section", aria_labelledby="body")
    rows = {
        row.one("th").text: [cell.text for cell in row.all("td")]
        for table in body.all("tbody")
        for row in table.all("tr")
    }
    assert rows["data.attributesrequired"] == ["DeploymentInput", ""]
    assert rows["servicerequired"] == ["string (1 to 255 characters)", "The service."]
    assert rows["custom_tags"][0] == (
        "array of string (at most 200 characters) (at most 100 items)"
    )
    settings = sign_in(tenant).page("/help/api/PutDORASettings").one("main").text
    assert "string (1 to 200 characters) or null" in settings
    metrics = sign_in(tenant).page("/help/api/GetDORAMetrics").one("main").text
    assert 'What the period is cut into. Default: "total".' in metrics


@pytest.mark.parametrize(
    ("find", "names"),
    [
        ("", [each.name for each in OPERATIONS]),
        ("FAILURE delete", ["DeleteDORAFailure"]),
        ("/api/v1/", ["Validate", "SubmitMetrics"]),
        ("<b>", []),
    ],
)
def test_the_list_is_filtered_without_a_script(tenant: Tenant, find: str, names: list[str]) -> None:
    page = Browser(tenant.client).page(f"/help/api?find={quote(find)}")
    assert [row["id"] for row in page.one("main").all("tr") if "id" in row.attributes] == names
    assert page.one("input", id="filter")["value"] == find


def test_an_operation_that_does_not_exist_is_not_found(tenant: Tenant) -> None:
    sign_in(tenant).page("/help/api/Nothing", 404)


def test_the_description_leads_to_the_reference(tenant: Tenant) -> None:
    document = json.loads(openapi_document("/dora"))
    assert document["externalDocs"]["url"] == "/dora/help/api"
    assert "/help/api" in {each["href"] for each in sign_in(tenant).page("/").all("a")}
