"""What is merged but not deployed, from a mirrored repository to the pages."""

from pathlib import Path

import pytest

from actors import TESTER
from asking import Tenant
from databases import ON_SQLITE
from repositories import GitRepository, make_repository
from theodora.git import MirrorStore
from theodora.sources.mirroring import Mirroring
from theodora.storage.derivation.undeployed import UndeployedCommits
from visiting import sign_in

pytestmark = ON_SQLITE
ID = "example.org/shop"
DEPLOYED_NS = 1_780_000_000 * 10**9


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    made = make_repository(tmp_path / "repository")
    made.git("config", "uploadpack.allowFilter", "true")
    made.commit("Begin", {"web/a": "1", "api/a": "1"})
    return made


class Mirrored:
    """A repository that the tenant's store mirrors."""

    def __init__(self, tenant: Tenant, repository: GitRepository, folder: Path) -> None:
        self.tenant, self.store = tenant, tenant.built.store
        self.org = self.store.keys.organisation(tenant.organisation)
        self._mirroring = Mirroring(self.store, MirrorStore(folder / "git"), TESTER)
        self._mirror = self._mirroring.add(self.org, ID, f"file://{repository.path}")

    def fetch(self) -> None:
        self._mirroring.fetch(self._mirror)
        self.derive()

    def derive(self) -> None:
        self.store.derivations.derive_all_queued(actor=TESTER)

    def deploy(self, service: str, sha: str, env: str = "production", *, at_sec: int = 0) -> None:
        at = DEPLOYED_NS + at_sec * 10**9
        git = {"commit_sha": sha, "repository_url": f"https://{ID}"}
        self.tenant.create(
            {"service": service, "env": env, "git": git, "started_at": at - 1, "finished_at": at}
        )
        self.derive()

    @property
    def waiting(self) -> list[tuple[str, str, int]]:
        found = self.store.derivations.undeployed(self.org)
        assert all(isinstance(each, UndeployedCommits) for each in found)
        return sorted((each.service, each.env, each.commits) for each in found)


def test_services_of_one_repository_wait_for_their_own_commits(
    tenant: Tenant, repository: GitRepository, tmp_path: Path
) -> None:
    mirrored = Mirrored(tenant, repository, tmp_path)
    first = repository.sha("main")
    for service in ("web", "api"):
        globs = {"path_globs": [f"{service}/**"]}
        settings = mirrored.store.settings
        settings.put(mirrored.org, globs, service, actor=TESTER).result()
        mirrored.deploy(service, first)
    mirrored.deploy("web", first, "staging")
    assert mirrored.waiting == []
    mirrored.fetch()
    assert mirrored.waiting == []
    repository.commit("Both", {"web/b": "1", "api/b": "1"})
    repository.commit("One", {"web/c": "1"})
    mirrored.fetch()
    assert mirrored.waiting == [
        ("api", "production", 1),
        ("web", "production", 2),
        ("web", "staging", 2),
    ]
    browser = sign_in(tenant)
    (need,) = [each for each in browser.page("/").all("li") if "not deployed" in each.text]
    assert "merged but not deployed" in need.text
    assert "1 other service with older than a day" in need.text
    page = browser.page("/services/web")
    assert page.one("p", id="undeployed").text.startswith("2 commits merged but not deployed")
    mirrored.deploy("web", repository.sha("main"), at_sec=1)
    assert mirrored.waiting == [("api", "production", 1), ("web", "staging", 2)]
    assert not browser.page("/services/web").all("p", id="undeployed")


def test_a_head_that_moves_without_a_new_commit_counts_too(
    tenant: Tenant, repository: GitRepository, tmp_path: Path
) -> None:
    """As a branch that is merged by moving the default branch to its end."""
    mirrored = Mirrored(tenant, repository, tmp_path)
    mirrored.deploy("web", repository.sha("main"))
    repository.git("checkout", "--quiet", "-b", "branch")
    repository.commit("On a branch", {"web/b": "1"})
    repository.git("checkout", "--quiet", "main")
    mirrored.fetch()
    assert mirrored.waiting == []
    repository.git("merge", "--quiet", "--ff-only", "branch")
    mirrored.fetch()
    assert mirrored.waiting == [("web", "production", 1)]


def test_without_a_default_branch_nothing_is_said(
    tenant: Tenant, repository: GitRepository, tmp_path: Path
) -> None:
    mirrored = Mirrored(tenant, repository, tmp_path)
    mirrored.deploy("web", repository.sha("main"))
    repository.commit("Go on", {"web/b": "1"})
    repository.git("checkout", "--quiet", "--detach")
    mirrored.fetch()
    assert mirrored.waiting == []
    repository.git("checkout", "--quiet", "main")
    mirrored.fetch()
    assert mirrored.waiting == [("web", "production", 1)]
