"""`datadog-ci git-metadata upload`: asking which commits are here, and uploading the others."""

import json
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

import serving
from databases import ON_SQLITE
from repositories import GitRepository, commit_data, make_pack, make_repository, object_sha
from theodora.dora import Commit
from theodora.events import repository_id
from theodora.storage import Store

SEARCH = "/api/v2/git/repository/search_commits"
PACKFILE = "/api/v2/git/repository/packfile"
URL = "https://github.com/acme/app.git"
SSH_URL = "git@github.com:acme/app.git"
SHA = "a" * 40

EMPTY_TREE = object_sha("tree", b"")
PACK = make_pack([("commit", commit_data(EMPTY_TREE)), ("tree", b"")])
PACKED = object_sha("commit", commit_data(EMPTY_TREE))


def search(client: TestClient, *shas: str, url: str = URL) -> list[str]:
    body = {
        "meta": {"repository_url": url},
        "data": [{"id": sha, "type": "commit"} for sha in shas],
    }
    answer = client.post(SEARCH, json=body)
    assert answer.status_code == 200, answer.text
    assert all(each["type"] == "commit" for each in answer.json()["data"])
    return [each["id"] for each in answer.json()["data"]]


def pushed(sha: str = SHA, url: str = URL) -> bytes:
    document = {"data": {"id": sha, "type": "commit"}, "meta": {"repository_url": url}}
    return json.dumps(document).encode()


def upload(client: TestClient, pack: bytes, pushed_sha: bytes | None = None) -> Response:
    parts = {
        "pushedSha": ("blob", pushed() if pushed_sha is None else pushed_sha, "application/json"),
        "packfile": (f"{SHA}.pack", pack, "application/octet-stream"),
    }
    return client.post(PACKFILE, files=parts)


def problem(answer: Response) -> tuple[str, dict[str, str]]:
    assert answer.status_code == 400, answer.text
    (error,) = answer.json()["errors"]
    return error["detail"], error["source"]


def stored(database: str) -> dict[str, Commit]:
    with Store(database) as store:
        org = store.keys.organisation("default")
        return dict(store.commits.repository(org, repository_id(URL)).commits)


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    repository = make_repository(tmp_path / "repository")
    repository.commit("Begin", {"README": "1", "web/app.py": "1"})
    repository.commit("Fix the app", {"web/app.py": "2"})
    repository.commit("Explain", {"README": "2"})
    return repository


def test_nothing_is_known_of_a_new_repository(client: TestClient) -> None:
    assert search(client, SHA) == []


def test_uploaded_commits_are_stored_and_known(
    client: TestClient, database: str, repository: GitRepository
) -> None:
    answer = upload(client, repository.pack(repository.objects()))
    assert (answer.status_code, answer.content) == (204, b"")
    log = repository.log()
    assert stored(database) == log
    assert search(client, *log, SHA) == [*log]


def test_known_commits_are_named_in_the_order_asked(
    client: TestClient, repository: GitRepository
) -> None:
    upload(client, repository.pack(repository.objects()))
    asked = [*reversed(repository.log())]
    assert search(client, *asked) == asked


def test_a_repository_is_the_same_however_its_url_is_written(client: TestClient) -> None:
    upload(client, PACK, pushed(url=SSH_URL))
    assert search(client, PACKED, url="https://user:token@GitHub.com/acme/app") == [PACKED]


def test_the_parts_of_one_upload_come_together(
    client: TestClient, database: str, repository: GitRepository
) -> None:
    objects = repository.objects()
    for some in (objects[:3], objects[3:4], objects[4:]):
        assert upload(client, repository.pack(some)).status_code == 204
    assert stored(database) == repository.log()


def test_the_trees_of_a_commit_may_come_under_another_form_of_the_url(
    client: TestClient, database: str, repository: GitRepository
) -> None:
    objects = repository.objects()
    upload(client, repository.pack(objects[:3]))
    assert {commit.paths for commit in stored(database).values()} == {None}
    other = pushed(url="ssh://git@ssh.github.com:443/Acme/App.git")
    upload(client, repository.pack(objects[3:]), other)
    assert stored(database) == repository.log()


def test_a_second_upload_leaves_out_what_is_known(
    client: TestClient, database: str, repository: GitRepository
) -> None:
    upload(client, repository.pack(repository.objects()))
    head = repository.commit("Fix it again", {"web/app.py": "3"})
    known = search(client, *repository.log())
    upload(client, repository.pack(repository.objects("HEAD", *(f"^{sha}" for sha in known))))
    assert stored(database)[head].paths == ("web/app.py",)


def test_uploading_a_pack_again_changes_nothing(
    client: TestClient, database: str, repository: GitRepository
) -> None:
    pack = repository.pack(repository.objects())
    assert [upload(client, pack).status_code for _ in range(2)] == [204, 204]
    assert stored(database) == repository.log()


def test_a_commit_named_by_a_deployment_alone_is_not_known(client: TestClient) -> None:
    git = {"commit_sha": SHA, "repository_url": URL}
    attributes = {"service": "app", "started_at": 1, "finished_at": 2, "git": git}
    client.post("/api/v2/dora/deployment", json={"data": {"attributes": attributes}})
    assert search(client, SHA) == []


def test_objects_are_kept_in_the_folder_for_them(client: TestClient, tmp_path: Path) -> None:
    upload(client, PACK)
    assert [*(tmp_path / "git").rglob("*.pack")]


@pytest.mark.parametrize("path", [SEARCH, PACKFILE])
def test_an_api_key_is_needed(client: TestClient, path: str) -> None:
    assert client.post(path, headers={"DD-API-KEY": "wrong"}).status_code == 403


def test_an_application_key_is_not(client: TestClient) -> None:
    answer = client.post(
        SEARCH,
        json={"meta": {"repository_url": URL}, "data": []},
        headers={"DD-APPLICATION-KEY": "wrong", "DD-API-KEY": serving.API_KEY},
    )
    assert answer.content == b'{"data":[]}'


ITEM = {"id": SHA, "type": "commit"}
META = {"repository_url": URL}


@ON_SQLITE
@pytest.mark.parametrize(
    ("body", "detail", "pointer"),
    [
        ({"data": [ITEM]}, 'member "repository_url" is required', "/meta/repository_url"),
        (
            {"meta": {"repository_url": " "}, "data": []},
            'member "repository_url" is required',
            "/meta/repository_url",
        ),
        (
            {"meta": {"repository_url": 7}, "data": []},
            'error decoding member "repository_url": invalid type number',
            "/meta/repository_url",
        ),
        (
            {"meta": [], "data": []},
            'error decoding member "meta": invalid type array',
            "/meta",
        ),
        ({"meta": META}, 'member "data" is required', "/data"),
        (
            {"meta": META, "data": ITEM},
            'error decoding member "data": invalid type object',
            "/data",
        ),
        (
            {"meta": META, "data": [ITEM, "x"]},
            'error decoding member "data": invalid type string',
            "/data/1",
        ),
        (
            {"meta": META, "data": [{"id": SHA}]},
            'got type "" expected one of "commit"',
            "/data/0/type",
        ),
        (
            {"meta": META, "data": [ITEM, {"id": SHA[:7], "type": "commit"}]},
            'member "id" must be a commit SHA',
            "/data/1/id",
        ),
        ([], "error decoding body: invalid type array", ""),
    ],
)
def test_a_search_that_breaks_a_rule_is_refused(
    client: TestClient, body: Any, detail: str, pointer: str
) -> None:
    assert problem(client.post(SEARCH, json=body)) == (detail, {"pointer": pointer})


@ON_SQLITE
def test_every_problem_of_a_search_is_listed(client: TestClient) -> None:
    answer = client.post(SEARCH, json={"data": [{"id": "x", "type": "tree"}]})
    assert [error["source"]["pointer"] for error in answer.json()["errors"]] == [
        "/meta/repository_url",
        "/data/0/type",
        "/data/0/id",
    ]


@ON_SQLITE
@pytest.mark.parametrize("missing", ["packfile", "pushedSha"])
def test_a_part_that_is_missing_is_named(client: TestClient, missing: str) -> None:
    parts = {"packfile": PACK, "pushedSha": pushed()}
    del parts[missing]
    answer = client.post(PACKFILE, files={name: (name, part) for name, part in parts.items()})
    assert problem(answer) == (f'part "{missing}" is required', {"parameter": missing})


@ON_SQLITE
@pytest.mark.parametrize(
    ("part", "reason"),
    [
        (b"{", "invalid JSON at line 1 column 2"),
        (b"[]", "invalid type array"),
        (pushed(sha="short"), 'member "id" must be a commit SHA'),
        (pushed(url=""), 'member "repository_url" is required'),
    ],
)
def test_an_unreadable_name_of_the_commit_is_refused(
    client: TestClient, part: bytes, reason: str
) -> None:
    detail = f'error decoding part "pushedSha": {reason}'
    assert problem(upload(client, PACK, part)) == (detail, {"parameter": "pushedSha"})


def test_an_unsound_pack_is_refused_and_nothing_of_it_stored(
    client: TestClient, database: str
) -> None:
    detail = 'error decoding part "packfile": pack is corrupted (SHA1 mismatch)'
    answer = upload(client, PACK[:-1] + b"\0")
    assert problem(answer) == (detail, {"parameter": "packfile"})
    assert stored(database) == {}
    assert search(client, PACKED) == []


@ON_SQLITE
def test_a_packfile_has_to_come_in_parts(client: TestClient) -> None:
    assert client.post(PACKFILE, json={}).status_code == 415
