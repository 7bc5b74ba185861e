"""`datadog-ci`, unmodified: it speaks to `https://api.<site>` alone, so the server has TLS."""

import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import httpx2
import pytest
from click.testing import CliRunner

import asking
import serving
from clients import workbench
from clients.proxy import proxy_to
from theodora.cli import main

pytestmark = pytest.mark.clients

VERSION = "5.25.0"
SITE = "dora.example.org"
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

    def deployments(self) -> list[dict[str, object]]:
        """What the server has, asked without the command."""
        answer = httpx2.post(
            f"{self.server.url}/api/v2/dora/deployments",
            headers=serving.KEYS,
            json={"data": {"type": "dora_deployments_list_request", "attributes": {}}},
            verify=ssl.create_default_context(cafile=self.authority),
        )
        return [deployment["attributes"] for deployment in answer.json()["data"]]


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
