"""`docs/ci` and `deploy/ci`: their lines are run as each CI system runs them, against a server."""

import hashlib
import hmac
import itertools
import json
import re
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx2
import pytest
import yaml
from click.testing import CliRunner

import serving
from asking import DEPLOYMENTS
from ci_systems import (
    LINES,
    PAGES,
    TOP,
    Machine,
    azure,
    blocks,
    circleci,
    github,
    gitlab,
    has_tools,
    jenkins,
)
from databases import ON_SQLITE
from theodora.cli import main

SHA = "5f0c3a1e9b7d2c4f6a8e0b1d3c5f7a9e2b4d6c80"
HOST = "https://dora.example.org"
BASH = ("bash", "-eo", "pipefail")

pytestmark = [
    ON_SQLITE,
    pytest.mark.skipif(not has_tools(), reason="this machine has no bash, curl or sed"),
]

_numbers = itertools.count(1)


@dataclass
class Job:
    """A job that deploys a service of its own at the shared server."""

    machine: Machine
    server: serving.Server
    service: str
    begun_at: int

    def block(self, page: str, kind: str, number: int = 0) -> str:
        """A block with this server's address and this job's service."""
        text = blocks(page, kind)[number].replace(HOST, self.server.url)
        return re.sub(r"\bshop\b(?!\.git)", self.service, text)

    @property
    def theodora(self) -> dict[str, str]:
        return {"THEODORA_URL": self.server.url, "THEODORA_API_KEY": serving.API_KEY}

    def deployment(self) -> dict[str, Any]:
        """The one deployment of the service; its times are those of the job."""
        for _ in range(100):
            found = search(self.server, f"service:{self.service}")
            if found:
                break
            time.sleep(0.05)
        [deployment] = found
        return deployment

    def check(self, version: str | None, repository: str = "github.com/acme/shop") -> None:
        """Compares the deployment that has arrived with what the job deployed."""
        assert (self.machine.folder / "deployed").exists()
        deployment = self.deployment()
        begun_ns = self.begun_at * 10**9
        assert begun_ns <= deployment["started_at"] <= deployment["finished_at"]
        assert deployment["finished_at"] <= time.time_ns()
        assert (deployment["env"], deployment.get("version")) == ("production", version)
        git = deployment["git"]
        assert (git["commit_sha"], git["repository_id"]) == (SHA, repository)


def search(server: serving.Server, query: str) -> list[dict[str, Any]]:
    attributes = {"query": query, "from": "2020-01-01T00:00:00Z"}
    document = {"data": {"type": "dora_deployments_list_request", "attributes": attributes}}
    answer = httpx2.post(f"{server.url}{DEPLOYMENTS}", json=document, headers=serving.KEYS)
    return [each["attributes"] for each in answer.json()["data"]]


@pytest.fixture
def job(server: serving.Server, tmp_path: Path) -> Job:
    return Job(Machine(tmp_path), server, f"pasted-{next(_numbers)}", int(time.time()))


def run_github(job: Job, number: int, ref_type: str, ref_name: str) -> None:
    variables = {
        "CI": "true",
        "GITHUB_SHA": SHA,
        "GITHUB_SERVER_URL": "https://github.com",
        "GITHUB_REPOSITORY": "acme/shop",
        "GITHUB_REF_TYPE": ref_type,
        "GITHUB_REF_NAME": ref_name,
    }
    contexts = {
        "vars": {"THEODORA_URL": job.server.url},
        "secrets": {"THEODORA_API_KEY": serving.API_KEY},
        "github": {"ref_type": ref_type, "ref_name": ref_name},
    }
    github(job.machine, job.block("github-actions.md", "workflow", number), variables, contexts)


def test_github_actions_send_a_deployment(job: Job) -> None:
    run_github(job, 0, "tag", "v1.4.0")
    job.check("v1.4.0")


def test_the_composite_action_sends_a_deployment(job: Job) -> None:
    run_github(job, 1, "branch", "main")
    job.check(None)


GITLAB = {
    "CI_PROJECT_URL": "https://gitlab.example.com/acme/shop",
    "CI_COMMIT_SHA": SHA,
    "CI_ENVIRONMENT_NAME": "production",
    "CI_SERVER_FQDN": "gitlab.example.com",
}


@pytest.mark.parametrize(("number", "tag"), [(0, "v2"), (1, None)], ids=["script", "component"])
def test_gitlab_ci_sends_a_deployment(job: Job, number: int, tag: str | None) -> None:
    # Of a pipeline without a tag the variable does not exist.
    variables = {**GITLAB, **job.theodora, "CI_PROJECT_NAME": job.service}
    if tag:
        variables["CI_COMMIT_TAG"] = tag
    shell = BASH if tag else ("sh", "-e")
    gitlab(job.machine, job.block("gitlab-ci.md", "gitlab", number), variables, shell)
    job.check(tag, "gitlab.example.com/acme/shop")


def test_jenkins_sends_a_deployment(job: Job) -> None:
    variables = {
        "GIT_COMMIT": SHA,
        "GIT_URL": "https://github.com/acme/shop.git",
        "TAG_NAME": "v3",
        "JOB_NAME": "shop/v3",
    }
    credentials = {"theodora-api-key": serving.API_KEY}
    jenkins(job.machine, job.block("jenkins.md", "jenkins"), variables, credentials)
    job.check("v3")


def test_circleci_sends_a_deployment(job: Job) -> None:
    variables = {
        **job.theodora,
        "CIRCLE_SHA1": SHA,
        "CIRCLE_REPOSITORY_URL": "git@github.com:acme/shop.git",
        "CIRCLE_BRANCH": "main",
    }
    circleci(job.machine, job.block("circleci.md", "circleci"), variables)
    job.check(None)


def test_azure_devops_sends_a_deployment(job: Job) -> None:
    variables = {
        "BUILD_SOURCEBRANCH": "refs/tags/v4",
        "BUILD_SOURCEVERSION": SHA,
        "BUILD_REPOSITORY_URI": "https://acme@dev.azure.com/acme/web/_git/shop",
    }
    secrets = {"THEODORA_API_KEY": serving.API_KEY}
    azure(job.machine, job.block("azure-devops.md", "azure"), variables, secrets)
    job.check("v4", "dev.azure.com/acme/web/_git/shop")


def paste_curl(job: Job, replace: Mapping[str, str] = {}, **variables: str) -> str:
    set_up, send = blocks("curl.md", "curl")
    for old, new in replace.items():
        set_up = set_up.replace(old, new)
    script = set_up.replace("http://127.0.0.1:8080", job.server.url).replace("shop", job.service)
    script = f"{script}./deploy.sh\n{send}"
    return job.machine.run(
        ("sh", "-eu"), script, {"THEODORA_API_KEY": serving.API_KEY, **variables}
    )


def checkout(folder: Path) -> str:
    """The commit of a new checkout."""
    git = ("git", "-C", str(folder), "-c", "user.name=n", "-c", "user.email=e@example.org")
    for command in (
        ("init", "--quiet"),
        ("remote", "add", "origin", "https://token:s3cret@github.com/acme/shop.git"),
        ("commit", "--quiet", "--allow-empty", "--message", "first"),
    ):
        subprocess.run([*git, *command], check=True)
    done = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_curl_sends_a_deployment_of_the_checkout(job: Job) -> None:
    commit = checkout(job.machine.folder)
    printed = paste_curl(job)
    assert json.loads(printed)["data"]["type"] == "dora_deployment"
    deployment = job.deployment()
    assert deployment["git"] == {
        "commit_sha": commit,
        "repository_id": "github.com/acme/shop",
        "repository_url": "https://github.com/acme/shop.git",
    }
    assert deployment["version"] == "v1.4.0"
    assert job.begun_at * 10**9 <= deployment["started_at"]


def test_every_value_is_quoted(job: Job) -> None:
    checkout(job.machine.folder)
    odd = """a"b\\c'd$e%s é, "env": "x" """.strip()
    paste_curl(job, {"VERSION=v1.4.0": "VERSION=$ODD"}, ODD=odd)
    deployment = job.deployment()
    assert (deployment["version"], deployment["env"]) == (odd, "production")


def test_a_rejected_deployment_fails_the_job_with_the_reason(job: Job) -> None:
    checkout(job.machine.folder)
    with pytest.raises(subprocess.CalledProcessError) as failed:
        paste_curl(job, THEODORA_API_KEY="0" * 32)
    assert failed.value.returncode != 0
    assert "Forbidden" in failed.value.stdout
    with pytest.raises(subprocess.CalledProcessError) as failed:
        paste_curl(job, {"$(date +%s)": "-1"})
    assert "started_at" in failed.value.stdout


def add_source(job: Job, page: str) -> tuple[str, str]:
    """The URL and the secret of a source that is added with the page's command."""
    [command] = blocks(page, "theodora")
    arguments = command.replace(HOST, job.server.url).split()[1:]
    done = CliRunner().invoke(main, [*arguments, "--database", job.server.database_url])
    assert done.exit_code == 0, done.output
    url = re.search(r"(http\S+/webhooks/\S+)", done.output)
    secret = re.search(r"(?:theodora-token|token) of the secret: (\S+)", done.output)
    assert url
    assert secret
    return url[1], secret[1]


def annotations(job: Job, page: str) -> dict[str, str]:
    return yaml.safe_load(job.block(page, "annotations"))


def rfc3339(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def test_argo_cd_sends_a_deployment(job: Job) -> None:
    url, secret = add_source(job, "argo-cd.md")
    config = yaml.safe_load(job.block("argo-cd.md", "argocd"))
    service = yaml.safe_load(config["service.webhook.theodora"].replace("$theodora-token", secret))
    assert service["url"].endswith("/webhooks/argocd/ID")
    headers = {each["name"]: each["value"] for each in service["headers"]}
    webhook = yaml.safe_load(config["template.theodora"])["webhook"]["theodora"]
    triggers = yaml.safe_load(config["trigger.theodora"])
    deployed = annotations(job, "argo-cd.md")
    subscribed = deployed.pop("notifications.argoproj.io/subscribe.theodora.theodora")
    assert subscribed == ""

    sent = 0
    for phase, health in (
        ("Running", "Progressing"),
        ("Succeeded", "Progressing"),
        ("Succeeded", "Healthy"),
    ):
        app = application(job, deployed, phase, health)
        for trigger in triggers:
            if condition(trigger["when"], app):
                assert condition(trigger["oncePer"], app) == rfc3339(job.begun_at)
                assert trigger["send"] == ["theodora"]
                body = rendered(webhook["body"], app)
                answer = httpx2.request(webhook["method"], url, content=body, headers=headers)
                assert answer.status_code == 202, answer.text
                sent += 1
    assert sent == 2
    job.machine.run(("sh",), "./deploy.sh", {})
    job.check("1.4.0")
    assert job.deployment()["custom_tags"] == ["region:eu-1", "cluster:blue"]


def application(job: Job, deployed: Mapping[str, str], phase: str, health: str) -> dict[str, Any]:
    """An application as Argo CD has it, cut down to what is documented for templates."""
    source = {"repoURL": "https://github.com/acme/shop.git", "path": "deploy"}
    finished = {} if phase == "Running" else {"finishedAt": rfc3339(int(time.time()))}
    state = {
        "phase": phase,
        "operation": {"initiatedBy": {"automated": True}},
        "startedAt": rfc3339(job.begun_at),
        "syncResult": {"revision": SHA, "source": source},
        **finished,
    }
    images = [f"registry.example.com/acme/{job.service}:1.4.0"]
    return {
        "metadata": {"name": job.service, "uid": job.service, "annotations": dict(deployed)},
        "spec": {"source": source, "destination": {"namespace": "shop"}},
        "status": {
            "operationState": state,
            "health": {"status": health},
            "summary": {"images": images},
        },
    }


def rendered(template: str, app: Mapping[str, Any]) -> str:
    """The template, of which `toJson` of a path is the only function."""

    def value(found: re.Match[str]) -> str:
        at: Any = {"app": app}
        for part in found[1].split("."):
            at = at.get(part) if at else None
        return json.dumps(at)

    text = re.sub(r"\{\{toJson \.([\w.]+)\}\}", value, template)
    assert "{{" not in text.replace(json.dumps(app), "")
    return text


def condition(expression: str, app: Mapping[str, Any]) -> Any:
    """The value of a trigger's expression, in the part of its language that is also Python."""

    def namespace(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return SimpleNamespace(**{key: namespace(each) for key, each in value.items()})

    return eval(expression, {"__builtins__": {}, "app": namespace(dict(app))})


def test_flux_sends_a_deployment(job: Job) -> None:
    url, token = add_source(job, "flux.md")
    secret, provider, alert = yaml.safe_load_all(job.block("flux.md", "flux"))
    assert secret["stringData"].keys() == {"token"}
    assert provider["spec"]["type"] == "generic-hmac"
    assert provider["spec"]["secretRef"]["name"] == secret["metadata"]["name"]
    assert alert["spec"]["providerRef"]["name"] == provider["metadata"]["name"]
    assert provider["spec"]["address"].endswith("/webhooks/flux/ID")
    prefix = "event.toolkit.fluxcd.io/"
    annotated = {
        name.removeprefix(prefix): value for name, value in annotations(job, "flux.md").items()
    }
    metadata = {**alert["spec"]["eventMetadata"], **annotated, "revision": f"main@sha1:{SHA}"}
    for reason in ("Progressing", "ReconciliationSucceeded"):
        event = {
            "involvedObject": {
                "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
                "kind": "Kustomization",
                "name": job.service,
                "namespace": "apps",
                "uid": job.service,
            },
            "severity": "info",
            "reason": reason,
            "message": "Reconciliation finished",
            "timestamp": rfc3339(int(time.time())),
            "metadata": metadata,
            "reportingController": "kustomize-controller",
        }
        body = json.dumps(event).encode()
        signature = hmac.new(token.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Signature": f"sha256={signature}", "Content-Type": "application/json"}
        answer = httpx2.post(url, content=body, headers=headers)
        assert answer.status_code == 202, answer.text
    job.machine.run(("sh",), "./deploy.sh", {})
    job.check("1.4.0", "github.com/acme/manifests")


def shell_scripts() -> dict[str, str]:
    """The last script of each page, action and component, as its system hands it to a shell."""
    found: dict[str, str] = {}
    for page, kind in (
        ("curl.md", "curl"),
        ("github-actions.md", "workflow"),
        ("gitlab-ci.md", "gitlab"),
        ("circleci.md", "circleci"),
        ("azure-devops.md", "azure"),
        ("jenkins.md", "jenkins"),
    ):
        block = blocks(page, kind)[-1 if kind == "curl" else 0]
        found[page] = (
            re.sub(r"\\(.)", r"\1", block, flags=re.DOTALL) if kind == "jenkins" else block
        )
    for file in ("github/action.yml", "gitlab/templates/deployment.yml"):
        found[file] = (TOP / "deploy" / "ci" / file).read_text()
    return found


@pytest.mark.parametrize("place", shell_scripts())
def test_the_same_lines_are_everywhere(place: str) -> None:
    text = shell_scripts()[place]
    first = LINES.splitlines()[0]
    [indent] = re.findall(rf"^( *){re.escape(first)}$", text, re.MULTILINE)
    assert "".join(f"{indent}{line}\n" for line in LINES.splitlines()) in text


def test_every_page_is_listed_and_every_link_leads_to_a_page() -> None:
    index = (PAGES / "README.md").read_text()
    pages = {file.name for file in PAGES.glob("*.md")}
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", index)) == pages - {"README.md"}
    for page in pages:
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", (PAGES / page).read_text()):
            assert (PAGES / link).exists(), f"{page}: {link}"
