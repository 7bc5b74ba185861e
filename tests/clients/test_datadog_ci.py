"""`datadog-ci`, unmodified: it speaks to `https://api.<site>` alone, so the server has TLS."""

import itertools
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import mean
from typing import Any
from urllib.parse import urlsplit

import httpx2
import pytest
from click.testing import CliRunner

import asking
import serving
from ci_systems import Machine, blocks
from clients import workbench
from clients.proxy import proxy_to
from repositories import GitRepository, make_repository
from theodora.cli import main

pytestmark = pytest.mark.clients

VERSION = "5.25.0"
SITE = "dora.example.org"
SECOND_NS = 10**9
HOUR = 3_600
PATIENCE_SECONDS = 20
COMMIT_SHA = "66adc9350f2cc9b250b69abddab733dd55e1a588"
DEPLOYMENT = (
    *("dora", "deployment", "--service", "shopist", "--env", "production", "--version", "v1.12.07"),
    *("--started-at", "1693491974", "--finished-at", "1693491984"),
    *("--git-repository-url", "https://oauth2:s3cret@github.com/organization/example-repository"),
    *("--git-commit-sha", COMMIT_SHA, "--custom-tags", "language:java"),
)


@dataclass(frozen=True)
class Site:
    """A server with TLS that the command finds under `api.<SITE>`."""

    server: serving.Server
    authority: Path
    proxy: str

    @property
    def environment(self) -> dict[str, str]:
        """What a user sets; the proxy alone, which stands for the name service, is the tests'."""
        return {
            "DD_SITE": SITE,
            "DD_API_KEY": serving.API_KEY,
            "HTTPS_PROXY": self.proxy,
            "NODE_EXTRA_CA_CERTS": str(self.authority),
        }

    def ask(self, method: str, path: str, **options: Any) -> Any:
        """The answer's data, asked for without the command."""
        answer = httpx2.request(
            method,
            f"{self.server.url}{path}",
            headers=serving.KEYS,
            verify=ssl.create_default_context(cafile=self.authority),
            **options,
        )
        return answer.json().get("data")

    def resources(self) -> list[dict[str, Any]]:
        document = {"data": {"type": "dora_deployments_list_request", "attributes": {}}}
        return self.ask("POST", asking.DEPLOYMENTS, json=document)

    def deployments(self) -> list[dict[str, Any]]:
        """What the server has."""
        return [resource["attributes"] for resource in self.resources()]


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a private authority and a certificate for the site."""
    folder = tmp_path_factory.mktemp("tls")
    made = CliRunner().invoke(
        main, ["tls", "init", "--out", str(folder), f"api.{SITE}", "127.0.0.1"]
    )
    assert made.exit_code == 0, made.output
    return folder


@pytest.fixture
def site(tls: Path, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Site]:
    flags = getattr(request, "param", ())
    certificate = ("--tls-cert", str(tls / "server.pem"), "--tls-key", str(tls / "server-key.pem"))
    with serving.serving(tmp_path, *certificate, *flags) as server:
        url = urlsplit(server.url)
        assert url.scheme == "https"
        with proxy_to("127.0.0.1", url.port or 0) as proxy:
            yield Site(server, tls / "authority.pem", proxy)


def datadog_ci(site: Site, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    program = workbench.build("datadog-ci", VERSION)
    return program.run(*arguments, environment={**site.environment, **environment})


def test_a_deployment_is_sent_and_the_command_succeeds(site: Site) -> None:
    done = datadog_ci(site, *DEPLOYMENT)

    assert done.returncode == 0, done.stdout + done.stderr
    (deployment,) = site.deployments()
    assert {
        name: value
        for name, value in deployment.items()
        if name not in {"created_at", *asking.DERIVED}
    } == {
        "service": "shopist",
        "started_at": 1693491974000000000,
        "finished_at": 1693491984000000000,
        "env": "production",
        "version": "v1.12.07",
        "git": {
            "commit_sha": COMMIT_SHA,
            "repository_id": "github.com/organization/example-repository",
            "repository_url": "https://github.com/organization/example-repository",
        },
        "custom_tags": ["language:java"],
        "duration": 10,
        "source": "api",
    }


def test_a_deployment_sent_twice_is_one(site: Site) -> None:
    assert [datadog_ci(site, *DEPLOYMENT).returncode for _ in range(2)] == [0, 0]
    assert len(site.deployments()) == 1


@pytest.mark.parametrize("site", [("--path-prefix", "/dora")], indirect=True)
def test_a_port_and_a_path_in_the_site_are_kept(site: Site) -> None:
    done = datadog_ci(site, *DEPLOYMENT, DD_SITE=f"{SITE}:8443/dora")

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(site.deployments()) == 1


def test_with_a_wrong_key_the_command_fails(site: Site) -> None:
    done = datadog_ci(site, *DEPLOYMENT, DD_API_KEY="0" * 32)

    assert done.returncode == 1
    assert "Forbidden" in done.stdout + done.stderr
    assert site.deployments() == []


def test_with_a_tag_that_breaks_the_rules_the_command_fails(site: Site) -> None:
    done = datadog_ci(site, *DEPLOYMENT, "--custom-tags", "language:" + "x" * 200)

    assert done.returncode == 1
    assert "must have items of at most 200 characters" in done.stdout + done.stderr


@pytest.mark.parametrize(("api_key", "status"), [(serving.API_KEY, 0), ("0" * 32, 1)])
def test_the_list_of_tracked_files_decides_how_an_upload_of_metadata_ends(
    site: Site, tmp_path: Path, api_key: str, status: int
) -> None:
    repository = tmp_path / "repository"
    git = ("git", "-C", str(repository), "-c", "user.name=n", "-c", "user.email=e@example.org")
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    (repository / "file").write_text("tracked")
    subprocess.run([*git, "add", "file"], check=True)
    subprocess.run([*git, "commit", "--quiet", "--message", "first"], check=True)
    url = "https://github.com/organization/example-repository"
    subprocess.run([*git, "remote", "add", "origin", url], check=True)
    program = workbench.build("datadog-ci", VERSION)
    environment = {
        **site.environment,
        "DD_API_KEY": api_key,
        "DATADOG_SOURCEMAP_INTAKE_URL": f"https://api.{SITE}",
    }

    done = program.run(
        "git-metadata", "upload", "--no-gitsync", environment=environment, folder=repository
    )

    assert done.returncode == status, done.stdout + done.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> GitRepository:
    """Three commits and the merge of one of them, an hour apart, all of the last day."""
    start = int(time.time()) - 12 * HOUR
    made = make_repository(tmp_path / "checkout")
    repository = replace(made, times=itertools.count(start, HOUR))
    repository.git("remote", "add", "origin", "https://github.com/organization/checkout.git")
    repository.commit("Begin", {"README": "1"})
    repository.git("checkout", "--quiet", "-b", "doors")
    repository.commit("Fix the door", {"web/door.py": "shut"})
    repository.git("checkout", "--quiet", "main")
    repository.commit("Paint the wall", {"web/wall.py": "white"})
    repository.merge("doors")
    return repository


def test_an_upload_of_metadata_gives_deployments_their_lead_times(
    site: Site, checkout: GitRepository
) -> None:
    head = checkout.sha("HEAD")
    upload_metadata(site, checkout)
    deploy(site, checkout, "HEAD~2", started_at=int(time.time()) - HOUR)
    deploy(site, checkout, head, started_at=int(time.time()) - 60)

    (id_,) = (
        resource["id"]
        for resource in site.resources()
        if resource["attributes"]["git"]["commit_sha"] == head
    )
    deployment = derived(site, id_)
    written_ns = [
        commit.author_time_ns
        for commit in checkout.log().values()
        if commit.subject in {"Fix the door", "Paint the wall"}
    ]
    lead_time_ns = deployment["finished_at"] - mean(written_ns)
    assert deployment["git"]["repository_id"] == "github.com/organization/checkout"
    assert deployment["number_of_commits"] == len(written_ns) == 2
    assert deployment["change_lead_time"] == lead_time_ns / SECOND_NS


def upload_metadata(site: Site, checkout: GitRepository) -> None:
    program = workbench.build("datadog-ci", VERSION)
    environment = {**site.environment, "DATADOG_SOURCEMAP_INTAKE_URL": f"https://api.{SITE}"}
    done = program.run("git-metadata", "upload", environment=environment, folder=checkout.path)
    assert done.returncode == 0, done.stdout + done.stderr


def deploy(site: Site, checkout: GitRepository, revision: str, *, started_at: int) -> None:
    """Tells of a deployment of ten seconds from a checkout: the command finds what it is of."""
    checkout.git("checkout", "--quiet", "--detach", revision)
    program = workbench.build("datadog-ci", VERSION)
    done = program.run(
        *("dora", "deployment", "--service", "shopist", "--env", "production"),
        *("--started-at", str(started_at), "--finished-at", str(started_at + 10)),
        environment=site.environment,
        folder=checkout.path,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def derived(site: Site, id_: str) -> dict[str, Any]:
    """The deployment as soon as the server has found its lead times out."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        deployment = site.ask("GET", f"{asking.DEPLOYMENTS}/{id_}")["attributes"]
        if {"number_of_commits", "change_lead_time"} <= deployment.keys():
            return deployment
        time.sleep(0.05)
    raise AssertionError("no lead times came")


def test_the_page_of_datadog_ci_sends_a_deployment(site: Site, checkout: GitRepository) -> None:
    program = workbench.build("datadog-ci", VERSION)
    begun_ns = int(time.time()) * SECOND_NS
    set_up, send = blocks("datadog-ci.md", "datadog-ci")
    newest = f"npx @datadog/datadog-ci@{VERSION.split('.', maxsplit=1)[0]} "
    assert newest in send
    script = f"{set_up}./deploy.sh\n{send.replace(newest, f'{program.command[0]} ')}"

    Machine(checkout.path).run(("sh", "-eu"), script, site.environment)

    (deployment,) = site.deployments()
    assert begun_ns <= deployment["started_at"] <= deployment["finished_at"] <= time.time_ns()
    named = [deployment[name] for name in ("service", "env", "version")]
    assert named == ["shop", "production", "v1.4.0"]
    assert deployment["git"]["commit_sha"] == checkout.sha("HEAD")
    assert deployment["git"]["repository_id"] == "github.com/organization/checkout"


GITHUB_JOB = {
    "DD_BETA_COMMANDS_ENABLED": "1",
    "GITHUB_ACTIONS": "true",
    "GITHUB_ACTION": "run",
    "GITHUB_SERVER_URL": "https://github.com",
    "GITHUB_REPOSITORY": "organization/checkout",
    "GITHUB_RUN_ID": "1658821493",
    "GITHUB_RUN_ATTEMPT": "1",
    "GITHUB_RUN_NUMBER": "3",
    "GITHUB_WORKFLOW": "release",
    "GITHUB_JOB": "deploy",
    "GITHUB_REF": "refs/heads/main",
}
"""The environment of a job of GitHub Actions; the commands are a beta of the client."""
CONFIGURATION = [f"{number:040x}" for number in (1, 2)]
IMAGE = "registry.example.com/organization/checkout:1.4.0"


def test_what_argo_cd_deploys_gets_the_lead_time_of_the_application(
    site: Site, checkout: GitRepository
) -> None:
    """One commit of configuration is correlated before it is deployed, the image after that."""
    upload_metadata(site, checkout)
    head = checkout.sha("HEAD")
    now = int(time.time())
    correlate = ("correlate", "--provider", "argocd", "--config-repo", "git@github.com:o/manifests")
    base = {**GITHUB_JOB, "GITHUB_SHA": checkout.sha("HEAD~2")}
    run_deployment(site, *correlate, "--config-shas", CONFIGURATION[0], **base)
    notify(site, CONFIGURATION[0], now - HOUR, "registry.example.com/other:1")
    notify(site, CONFIGURATION[1], now - 60, IMAGE)
    image = ("--image", IMAGE, "--commit-sha", head)
    url = ("--repository-url", "https://github.com/organization/checkout")
    keys = {**GITHUB_JOB, "GITHUB_SHA": head, "DD_APP_KEY": serving.APPLICATION_KEY}
    run_deployment(site, "correlate-image", *image, *url, **keys)

    written_ns = [
        commit.author_time_ns
        for commit in checkout.log().values()
        if commit.subject in {"Fix the door", "Paint the wall"}
    ]
    deployment = derived(site, by_commit(site, head))
    assert deployment["git"]["repository_id"] == "github.com/organization/checkout"
    lead_time_ns = deployment["finished_at"] - mean(written_ns)
    assert deployment["change_lead_time"] == lead_time_ns / SECOND_NS


def test_a_marked_job_is_a_deployment(site: Site) -> None:
    arguments = ("--env", "production", "--service", "shopist", "--revision", COMMIT_SHA)
    before_ns = time.time_ns()
    for _ in range(2):
        run_deployment(site, "mark", *arguments, "--tags", "team:shop", **GITHUB_JOB)

    deployment = next(
        resource["attributes"]
        for resource in site.resources()
        if resource["id"] == by_commit(site, COMMIT_SHA)
    )
    assert len(site.deployments()) == 1
    assert before_ns < deployment["finished_at"] < time.time_ns()
    assert (deployment["service"], deployment["env"]) == ("shopist", "production")
    assert deployment["git"]["repository_id"] == "github.com/organization/checkout"
    assert deployment["custom_tags"] == ["team:shop"]


def test_a_request_that_is_refused_is_reported_by_the_command(site: Site) -> None:
    arguments = ("--provider", "argocd", "--config-repo", "x", "--config-shas", "abc")
    done = run_deployment(site, "correlate", *arguments, **GITHUB_JOB, GITHUB_SHA=COMMIT_SHA)
    assert "must be 40 or 64 hexadecimal characters" in done.stdout + done.stderr


def run_deployment(
    site: Site, *arguments: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    done = datadog_ci(site, "deployment", *arguments, **environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done


def notify(site: Site, revision: str, began_at: int, image: str) -> None:
    """Sends what Argo CD sends after a sync, with Datadog's recipe."""
    sync = {
        "phase": "Succeeded",
        "startedAt": rfc3339(began_at),
        "finishedAt": rfc3339(began_at + 10),
        "syncResult": {
            "revision": revision,
            "source": {"repoURL": "https://github.com/o/manifests"},
        },
    }
    status = {
        "health": {"status": "Healthy"},
        "operationState": sync,
        "summary": {"images": [image]},
    }
    metadata = {"name": "shopist", "annotations": {"dd_env": "production"}}
    site.ask("POST", "/api/v2/webhook", json={"app": {"metadata": metadata, "status": status}})


def rfc3339(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def by_commit(site: Site, sha: str) -> str:
    """The id of the deployment of a commit, as soon as there is one."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        for resource in site.resources():
            if resource["attributes"].get("git", {}).get("commit_sha") == sha:
                return resource["id"]
        time.sleep(0.05)
    raise AssertionError(f"no deployment of {sha} came")


def test_the_commands_of_the_page_of_sources_correlate(
    site: Site, checkout: GitRepository, tmp_path: Path
) -> None:
    """`correlate` finds the commits of manifests that are not pushed yet."""
    manifests = make_repository(tmp_path / "manifests")
    manifests.git("remote", "add", "origin", "https://github.com/o/manifests.git")
    manifests.commit("Deploy 1.4.0", {"shop.yaml": "1.4.0"})
    [block] = blocks("sources.md", "datadog-ci")
    command = workbench.build("datadog-ci", VERSION).command[0]
    script = block.replace("datadog-ci deployment", f"{command} deployment")
    script = script.replace("DD_API_KEY=…", f"DD_API_KEY={serving.API_KEY}")
    script = script.replace("DD_APP_KEY=…", f"DD_APP_KEY={serving.APPLICATION_KEY}")
    job = {**GITHUB_JOB, "GITHUB_SHA": checkout.sha("HEAD"), **site.environment}
    Machine(manifests.path).run(("sh", "-eu"), script, job)

    notify(site, manifests.sha("HEAD"), int(time.time()) - 60, "other:1")
    by_commit(site, checkout.sha("HEAD"))
    notify(site, CONFIGURATION[0], int(time.time()) - 30, "registry.example.com/acme/shop:1.4.0")
    deadline = time.monotonic() + PATIENCE_SECONDS
    while len(site.deployments()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    found = {deployment["git"]["repository_id"] for deployment in site.deployments()}
    assert found == {"github.com/organization/checkout", "github.com/acme/shop"}
