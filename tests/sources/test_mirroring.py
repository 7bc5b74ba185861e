"""Mirrored repositories: fetched when they are due, and when a commit is missing."""

import socket
import time
from pathlib import Path

import pytest

from actors import TESTER
from asking import make_tenant, server_in_process
from repositories import GitRepository, make_repository
from theodora.errors import NotFound
from theodora.git import GitError, MirrorStore
from theodora.sources.mirroring import Fetcher, Mirroring
from theodora.storage import Mirror, Organisation, Store
from theodora.storage.facts.mirrors import GIVEN_UP_AFTER

ID = "example.org/app"
MINUTE_NS = 60 * 10**9
PATIENCE_SECONDS = 20
"""Less than a running fetcher waits between two looks of its own."""


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    repository = make_repository(tmp_path / "repository")
    repository.git("config", "uploadpack.allowFilter", "true")
    repository.commit("Begin", {"README": "1"})
    return repository


@pytest.fixture
def mirroring(store: Store, tmp_path: Path) -> Mirroring:
    return Mirroring(store, MirrorStore(tmp_path / "git"), TESTER)


@pytest.fixture
def fetcher(store: Store, mirroring: Mirroring) -> Fetcher:
    return Fetcher(store, mirroring, every_seconds=900)


@pytest.fixture
def mirror(mirroring: Mirroring, org: Organisation, repository: GitRepository) -> Mirror:
    return mirroring.add(org, ID, f"file://{repository.path}")


def commits(store: Store, org: Organisation) -> object:
    return store.commits.repository(org, ID).commits


def test_fetching_stores_the_commits_that_are_new(
    store: Store, org: Organisation, mirroring: Mirroring, mirror: Mirror, repository: GitRepository
) -> None:
    assert mirroring.fetch(mirror) == 1
    repository.commit("Go on", {"README": "2"})
    assert mirroring.fetch(mirror) == 1
    assert mirroring.fetch(mirror) == 0
    assert commits(store, org) == repository.log()


DESCRIPTION = """apiVersion: v3
kind: service
metadata: {name: cart, tags: ["tier:1"]}
datadog: {codeLocations: [{paths: ["cart/**"]}]}
"""


def test_files_at_the_head_describe_services_if_the_organisation_wants_that(
    store: Store, org: Organisation, mirroring: Mirroring, mirror: Mirror, repository: GitRepository
) -> None:
    """What a person set stays until one of the files changes."""
    files = {
        "cart/service.datadog.yaml": DESCRIPTION,
        "vendor/x/service.datadog.yaml": "dd-service: other\nschema-version: v2\n",
        "broken/service.datadog.yaml": "kind: [",
        "long/service.datadog.yaml": f"dd-service: long\nschema-version: v2\n#{'x' * 2**20}",
        ".github/CODEOWNERS": "* @acme/platform\ncart/ @acme/checkout\n",
        "CODEOWNERS": "* @acme/nobody\n",
    }
    repository.commit("Describe", files)
    repository.git("checkout", "--quiet", "-b", "other")
    repository.commit("On a branch", {"cart/service.datadog.yaml": "dd-service: branch"})
    repository.git("checkout", "--quiet", "main")
    mirroring.fetch(mirror)
    assert store.settings.services(org) == []
    store.settings.put(org, {"service_files": True}, actor=TESTER).result()
    mirroring.fetch(mirror)
    given = {"tags": ["tier:1"], "path_globs": ["cart/**"], "team": "checkout"}
    assert [(each.name, each.given) for each in store.settings.services(org)] == [("cart", given)]
    store.settings.put(org, {"team": "hand"}, "cart", actor=TESTER).result()
    mirroring.fetch(mirror)
    assert store.settings.given(org, "cart") == {"team": "hand"}
    repository.commit("Give it away", {".github/CODEOWNERS": "cart/ @acme/pay\n"})
    mirroring.fetch(mirror)
    assert store.settings.given(org, "cart") == {**given, "team": "pay"}
    assert store.mirrors.get(org, ID).error is None


def test_a_remote_without_a_default_branch_still_gives_commits(
    store: Store, org: Organisation, mirroring: Mirroring, mirror: Mirror, repository: GitRepository
) -> None:
    repository.commit("Describe", {"service.datadog.yaml": DESCRIPTION})
    repository.git("checkout", "--quiet", "--detach")
    store.settings.put(org, {"service_files": True}, actor=TESTER).result()
    assert mirroring.fetch(mirror) == 2
    assert store.mirrors.get(org, ID).error is None
    assert store.settings.services(org) == []


def test_mirrored_commits_are_not_named_as_uploaded(
    store: Store, org: Organisation, mirroring: Mirroring, mirror: Mirror, repository: GitRepository
) -> None:
    mirroring.fetch(mirror)
    assert store.commits.known(org, ID, [*repository.log()]) == []


def test_how_fetching_went_is_noted(
    store: Store, org: Organisation, mirroring: Mirroring, mirror: Mirror, tmp_path: Path
) -> None:
    assert (mirror.tried_at_ns, mirror.error) == (None, None)
    mirroring.fetch(mirror)
    noted = store.mirrors.get(org, ID)
    assert noted.tried_at_ns
    assert noted.error is None
    broken = mirroring.add(org, ID, f"file://{tmp_path / 'nothing'}")
    with pytest.raises(GitError):
        mirroring.fetch(broken)
    assert store.mirrors.get(org, ID).error


def test_a_mirror_that_was_just_added_is_due(
    store: Store, org: Organisation, fetcher: Fetcher, mirror: Mirror, repository: GitRepository
) -> None:
    fetcher.fetch_due(time.time_ns())
    assert commits(store, org) == repository.log()


@pytest.mark.parametrize(
    ("minutes", "is_wanted", "is_fetched"),
    [
        (0, False, False),
        (14, False, False),
        (16, False, True),
        (0, True, False),
        (2, True, True),
    ],
)
def test_a_mirror_is_due_after_a_while_and_earlier_when_it_is_wanted(
    store: Store,
    org: Organisation,
    fetcher: Fetcher,
    mirroring: Mirroring,
    mirror: Mirror,
    repository: GitRepository,
    minutes: int,
    is_wanted: bool,
    is_fetched: bool,
) -> None:
    mirroring.fetch(mirror)
    sha = repository.commit("Go on", {"README": "2"})
    if is_wanted:
        fetcher.want(org, ID)
    fetcher.fetch_due(time.time_ns() + minutes * MINUTE_NS)
    assert (sha in store.commits.shas(org, ID)) == is_fetched


def test_what_is_wanted_too_soon_stays_wanted(
    store: Store,
    org: Organisation,
    fetcher: Fetcher,
    mirroring: Mirroring,
    mirror: Mirror,
    repository: GitRepository,
) -> None:
    mirroring.fetch(mirror)
    sha = repository.commit("Go on", {"README": "2"})
    fetcher.want(org, ID)
    now_ns = time.time_ns()
    fetcher.fetch_due(now_ns)
    fetcher.fetch_due(now_ns + 2 * MINUTE_NS)
    assert sha in store.commits.shas(org, ID)


@pytest.mark.parametrize("minutes", ["15", "0"])
def test_a_deployment_of_an_unknown_commit_makes_the_server_fetch(
    tmp_path: Path, repository: GitRepository, minutes: str
) -> None:
    shas = [repository.sha("HEAD"), repository.commit("Go on", {"README": "2"})]
    settings = {"derive": "yes", "git_fetch_minutes": minutes}
    with server_in_process(tmp_path, **settings) as (built, client):
        tenant = make_tenant(built, client)
        org = built.store.keys.organisation(tenant.organisation)
        built.store.mirrors.add(org, ID, f"file://{repository.path}", actor=TESTER).result()
        ids = [
            tenant.create(
                {
                    "service": "app",
                    "started_at": at,
                    "finished_at": at,
                    "git": {"commit_sha": sha, "repository_url": f"https://{ID}"},
                }
            )
            for at, sha in enumerate(shas, 1_700_000_000)
        ]
        deadline = time.monotonic() + PATIENCE_SECONDS
        while "number_of_commits" not in tenant.get(ids[1]) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert tenant.get(ids[1])["number_of_commits"] == 1


def test_a_mirror_that_fails_keeps_no_other_from_being_fetched(
    store: Store,
    org: Organisation,
    fetcher: Fetcher,
    mirroring: Mirroring,
    mirror: Mirror,
    repository: GitRepository,
    tmp_path: Path,
) -> None:
    mirroring.add(org, "a.example/first", f"file://{tmp_path / 'nothing'}")
    fetcher.fetch_due(time.time_ns())
    assert commits(store, org) == repository.log()


def test_a_mirror_that_keeps_failing_is_tried_less_and_less_often(
    store: Store, org: Organisation, fetcher: Fetcher, mirroring: Mirroring, tmp_path: Path
) -> None:
    mirroring.add(org, ID, f"file://{tmp_path / 'nothing'}")

    def is_tried_after(minutes: int) -> bool:
        before = store.mirrors.get(org, ID).tried_at_ns
        fetcher.fetch_due(time.time_ns() + minutes * MINUTE_NS)
        return store.mirrors.get(org, ID).tried_at_ns != before

    assert is_tried_after(0)
    for minutes in (30, 60, 120, 240, 480, 960, 24 * 60, 24 * 60, 24 * 60):
        assert not is_tried_after(minutes - 1)
        assert is_tried_after(minutes + 1)


def test_a_mirror_that_fails_for_long_is_given_up_until_it_is_fetched_by_command(
    store: Store,
    org: Organisation,
    fetcher: Fetcher,
    mirroring: Mirroring,
    mirror: Mirror,
    repository: GitRepository,
) -> None:
    away, days_ns = repository.path.with_name("away"), 24 * 60 * MINUTE_NS
    repository.path.rename(away)
    for day in range(0, 2 * GIVEN_UP_AFTER + 6, 2):
        fetcher.fetch_due(time.time_ns() + day * days_ns)
    given_up = store.mirrors.get(org, ID)
    assert (given_up.failures, given_up.is_given_up) == (GIVEN_UP_AFTER, True)
    away.rename(repository.path)
    fetcher.want(org, ID)
    fetcher.fetch_due(time.time_ns() + 100 * days_ns)
    assert commits(store, org) == {}
    mirroring.fetch(given_up)
    fetched = store.mirrors.get(org, ID)
    assert (fetched.failures, fetched.is_given_up) == (0, False)
    assert commits(store, org) == repository.log()


def test_a_mirror_with_another_url_is_not_given_up(
    store: Store, org: Organisation, fetcher: Fetcher, mirror: Mirror, repository: GitRepository
) -> None:
    for _ in range(GIVEN_UP_AFTER):
        store.mirrors.note(mirror, time.time_ns(), "away", actor=TESTER).result()
    store.mirrors.add(org, ID, mirror.url, actor=TESTER).result()
    fetcher.fetch_due(time.time_ns())
    assert commits(store, org) == repository.log()


def test_how_often_fetching_failed_outlasts_a_restart(
    store: Store, org: Organisation, mirroring: Mirroring, tmp_path: Path
) -> None:
    mirroring.add(org, ID, f"file://{tmp_path / 'nothing'}")
    for minutes in (0, 31, 31):
        fetcher = Fetcher(store, mirroring, every_seconds=900)
        fetcher.fetch_due(time.time_ns() + minutes * MINUTE_NS)
    assert store.mirrors.get(org, ID).failures == 2


def test_without_a_schedule_only_what_is_wanted_is_fetched(
    store: Store,
    org: Organisation,
    mirroring: Mirroring,
    mirror: Mirror,
    repository: GitRepository,
) -> None:
    fetcher = Fetcher(store, mirroring, every_seconds=0)
    fetcher.fetch_due(time.time_ns())
    assert commits(store, org) == {}
    fetcher.want(org, ID)
    fetcher.fetch_due(time.time_ns())
    assert commits(store, org) == repository.log()


def test_a_mirror_is_wanted_under_the_former_name_of_its_repository(
    store: Store, org: Organisation, mirroring: Mirroring, mirror: Mirror, repository: GitRepository
) -> None:
    fetcher = Fetcher(store, mirroring, every_seconds=0)
    mirroring.fetch(mirror)
    repository.commit("Go on", {"README": "2"})
    store.settings.put(
        org, {"repository_aliases": {"old.example.com/app": ID}}, actor=TESTER
    ).result()
    fetcher.want(org, "old.example.com/app")
    fetcher.fetch_due(time.time_ns())
    fetcher.fetch_due(time.time_ns() + 2 * MINUTE_NS)
    assert commits(store, org) == repository.log()


def test_a_mirror_is_found_by_another_form_of_its_url(store: Store, org: Organisation) -> None:
    for id_ in ("github.com/Acme/App", "github.com/acme/app"):
        store.mirrors.add(org, id_, f"https://{id_}", actor=TESTER).result()
    assert store.mirrors.get(org, "github.com/acme/app").repository_id == "github.com/acme/app"
    store.mirrors.remove(org, "github.com/acme/app", actor=TESTER).result()
    assert store.mirrors.get(org, "ssh.github.com/acme/app").repository_id == "github.com/Acme/App"
    store.mirrors.remove(org, "ssh.github.com/acme/app", actor=TESTER).result()
    assert store.mirrors.everything() == []


def test_wanting_what_is_not_mirrored_does_nothing(org: Organisation, fetcher: Fetcher) -> None:
    fetcher.want(org, ID)
    fetcher.fetch_due(time.time_ns())


def test_a_running_fetcher_fetches_and_stops(
    store: Store, org: Organisation, fetcher: Fetcher, mirror: Mirror, repository: GitRepository
) -> None:
    fetcher.start()
    deadline = time.monotonic() + 20
    while commits(store, org) != repository.log() and time.monotonic() < deadline:
        time.sleep(0.02)
    fetcher.stop(timeout_seconds=20)
    assert commits(store, org) == repository.log()


def test_a_fetch_under_way_ends_when_the_fetcher_is_stopped(
    store: Store, org: Organisation, fetcher: Fetcher, mirroring: Mirroring
) -> None:
    """Its git would go on without the server, and without limits."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(20)
        mirroring.add(org, ID, f"http://127.0.0.1:{server.getsockname()[1]}/app.git")
        fetcher.start()
        connection, _ = server.accept()
        with connection:
            fetcher.stop(timeout_seconds=20)
            connection.settimeout(20)
            while connection.recv(65_536):
                pass
    mirror = store.mirrors.get(org, ID)
    assert (mirror.tried_at_ns, mirror.error) == (None, None)


def test_removing_a_mirror_keeps_its_commits(
    store: Store,
    org: Organisation,
    mirroring: Mirroring,
    mirror: Mirror,
    repository: GitRepository,
    tmp_path: Path,
) -> None:
    mirroring.fetch(mirror)
    mirroring.remove(org, ID)
    assert store.mirrors.everything() == []
    assert [*(tmp_path / "git" / "mirrors").iterdir()] == []
    assert commits(store, org) == repository.log()
    with pytest.raises(NotFound):
        mirroring.remove(org, ID)
