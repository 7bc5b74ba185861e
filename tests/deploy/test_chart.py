"""The Helm chart, rendered and validated; the commands and probes of its pods run for real."""

import json
import os
import re
import shlex
import shutil
import subprocess
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from blocks import blocks
from installing import (
    BOOTSTRAP,
    PROGRAM,
    TOP,
    clean_environment,
    image_environment,
    run,
    run_or_skip,
    send_and_find,
    started,
)
from serving import KEYS
from theodora import __version__
from theodora.config import check_names, load

CHART = TOP / "deploy/helm/theodora"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "theodora" / "helm"
HELM = "helm.sh/helm/v3/cmd/helm@v3.22.0"
VERSIONS = ("1.28", "1.37")
"""Of Kubernetes: an old one and the newest that the validator knows."""

ON_POSTGRESQL = {
    "replicas": 3,
    "database": {"existingSecret": "database"},
    "persistence": {"enabled": False},
}
EVERYTHING = {
    **ON_POSTGRESQL,
    "imagePullSecrets": [{"name": "registry"}],
    "bootstrapKeys": {"existingSecret": "keys"},
    "settings": {"THEODORA_LOG_REQUESTS": "all", "THEODORA_WORKERS": 2},
    "ingress": {
        "enabled": True,
        "className": "nginx",
        "annotations": {"a.example/b": "c"},
        "host": "dora.example.org",
        "tlsExistingSecret": "certificate",
        "trustedProxies": "10.0.0.0/8",
    },
    "serviceMonitor": {
        "enabled": True,
        "labels": {"release": "prometheus"},
        "dora": {"existingSecret": "keys"},
    },
    "networkPolicy": {
        "from": [{"namespaceSelector": {"matchLabels": {"name": "ingress"}}}],
        "egress": [{"ports": [{"port": 443}]}],
    },
    "podAnnotations": {"a.example/b": "c"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
}
KINDS = {
    "default": ({}, {"Deployment", "NetworkPolicy", "PersistentVolumeClaim", "Service"}),
    "PostgreSQL": (
        ON_POSTGRESQL,
        {"Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"},
    ),
    "everything": (
        EVERYTHING,
        {"Deployment", "Ingress", "NetworkPolicy", "PodDisruptionBudget", "Service"}
        | {"ServiceMonitor"},
    ),
}
"""Values, and the kinds that are rendered from them besides an account."""

pytestmark = pytest.mark.deploy

Render = Callable[..., list[dict[str, Any]]]


@pytest.fixture(scope="session")
def helm() -> Path:
    """The helm program, built once."""
    if not shutil.which("go"):
        pytest.skip("this machine has no go")
    folder = CACHE / HELM.partition("@")[2]
    if not (folder / "helm").exists():
        run_or_skip("go", "install", HELM, environment={**os.environ, "GOBIN": str(folder)})
    return folder / "helm"


@pytest.fixture
def render(helm: Path, tmp_path: Path) -> Render:
    """Renders the chart with values, for a version of Kubernetes."""

    def rendered(values: dict[str, Any], kubernetes: str = VERSIONS[0]) -> list[dict[str, Any]]:
        (tmp_path / "values.yaml").write_text(yaml.safe_dump(values))
        options = ("--namespace", "tools", "--kube-version", f"{kubernetes}.0")
        command = (helm, "template", "dora", CHART, "--values", tmp_path / "values.yaml", *options)
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise ValueError(done.stderr)
        return [each for each in yaml.safe_load_all(done.stdout) if each]

    return rendered


def of_kind(kind: str, documents: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = [each for each in documents if each["kind"] == kind]
    return found


def container_of(documents: list[dict[str, Any]]) -> dict[str, Any]:
    (found,) = of_kind("Deployment", documents)["spec"]["template"]["spec"]["containers"]
    return found


def test_it_has_the_version_of_the_server_and_is_linted(helm: Path) -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)
    run(helm, "lint", "--strict", "--quiet", CHART, environment=os.environ)


@pytest.mark.parametrize("kubernetes", VERSIONS)
@pytest.mark.parametrize(("values", "kinds"), KINDS.values(), ids=KINDS)
def test_what_it_renders_is_valid(
    values: dict[str, Any], kinds: set[str], kubernetes: str, render: Render
) -> None:
    validator = pytest.importorskip("kubernetes_validate")
    documents = render(values, kubernetes)
    assert {each["kind"] for each in documents} == kinds | {"ServiceAccount"}
    for document in documents:
        # The operator's kind is not of Kubernetes.
        if document["kind"] != "ServiceMonitor":
            validator.validate(document, kubernetes, strict=True)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"replicas": 2}, "existingSecret"),
        ({"replicas": 2, "database": {"existingSecret": "a"}}, "persistence"),
        ({"persistence": {"enabled": False}}, "existingSecret"),
        ({"persistance": {"enabled": False}}, "persistance"),
        ({"settings": {"LOG_LEVEL": "debug"}}, "LOG_LEVEL"),
        ({"settings": {"THEODORA_PORT": 80}}, "THEODORA_PORT"),
        ({"persistence": {"size": "ten"}}, "size"),
        ({"podDisruptionBudget": {"maxUnavailable": 0}}, "maxUnavailable"),
    ],
)
def test_values_that_cannot_work_are_rejected(
    values: dict[str, Any], named: str, render: Render
) -> None:
    with pytest.raises(ValueError, match=named):
        render(values)


def test_no_pod_has_privileges_or_secrets_in_its_text(render: Render) -> None:
    documents = render(EVERYTHING)
    pod = of_kind("Deployment", documents)["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert pod["securityContext"]["runAsNonRoot"]
    assert pod["securityContext"]["runAsUser"] == 65532
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert container["image"] == f"theodora:{__version__}"
    assert not pod["automountServiceAccountToken"]
    assert not [each for each in documents if each["kind"] == "Secret"]
    environment = {each["name"]: each for each in container["env"]}
    assert environment["THEODORA_DATABASE"]["valueFrom"]["secretKeyRef"]["name"] == "database"


def test_an_old_pod_ends_before_another_opens_its_volume(render: Render) -> None:
    types = {
        name: of_kind("Deployment", render(values))["spec"]["strategy"]["type"]
        for name, (values, _) in KINDS.items()
    }
    assert types == {
        "default": "Recreate",
        "PostgreSQL": "RollingUpdate",
        "everything": "RollingUpdate",
    }


def test_every_selector_matches_the_pods(render: Render) -> None:
    documents = render(EVERYTHING)
    labels = of_kind("Deployment", documents)["spec"]["template"]["metadata"]["labels"].items()
    service = of_kind("Service", documents)
    selectors = [
        service["spec"]["selector"],
        of_kind("NetworkPolicy", documents)["spec"]["podSelector"]["matchLabels"],
        of_kind("PodDisruptionBudget", documents)["spec"]["selector"]["matchLabels"],
        of_kind("Deployment", documents)["spec"]["selector"]["matchLabels"],
    ]
    for selector in selectors:
        assert selector.items() <= labels
    monitor = of_kind("ServiceMonitor", documents)["spec"]
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    ports = {port["name"] for port in service["spec"]["ports"]}
    assert {endpoint["port"] for endpoint in monitor["endpoints"]} <= ports


@pytest.mark.parametrize(
    "values", [{}, {"bootstrapKeys": {"existingSecret": "keys"}}], ids=["no keys", "keys"]
)
def test_the_server_of_a_pod_answers_its_probes_and_scrapes(
    values: dict[str, Any], render: Render, tmp_path: Path
) -> None:
    monitored = {"serviceMonitor": EVERYTHING["serviceMonitor"]}
    documents = render({**values, **monitored, "settings": {"THEODORA_LOG_REQUESTS": "all"}})
    container = container_of(documents)
    folders = {mount["mountPath"]: mount["name"] for mount in container["volumeMounts"]}
    given = image_environment()
    given |= {each["name"]: each["value"] for each in container["env"]}
    for path, name in folders.items():
        (tmp_path / name).mkdir()
        given = {key: value.replace(path, str(tmp_path / name)) for key, value in given.items()}
    given |= {"THEODORA_HOST": "127.0.0.1", "THEODORA_PORT": "0"}
    if values:
        for name, key in zip(("api-key", "app-key"), BOOTSTRAP.values(), strict=True):
            (tmp_path / "bootstrap-keys" / name).write_text(key)
    else:
        given |= BOOTSTRAP
    command = [PROGRAM, *container["args"]]
    with started(command, {**clean_environment(tmp_path), **given}, tmp_path) as url:
        send_and_find(url)
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert status(url + container[probe]["httpGet"]["path"]) == 200
        for endpoint in of_kind("ServiceMonitor", documents)["spec"]["endpoints"]:
            query = "&".join(
                f"{name}={value[0]}" for name, value in endpoint.get("params", {}).items()
            )
            assert status(f"{url}{endpoint['path']}?{query}") == 200
    assert (tmp_path / "data/theodora.db").exists()


def status(url: str) -> int:
    headers = {"Authorization": f"Bearer {KEYS['DD-APPLICATION-KEY']}"}
    try:
        with urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=30
        ) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_every_variable_is_a_setting(render: Render) -> None:
    (container,) = of_kind("Deployment", render(EVERYTHING))["spec"]["template"]["spec"][
        "containers"
    ]
    named = {each["name"]: each.get("value", "postgresql://a@b/c") for each in container["env"]}
    check_names(named)
    files = [name for name in named if name.endswith("_FILE")]
    assert len(files) == 2
    config = load({name: value for name, value in named.items() if name not in files}, {})
    assert (config.log_requests, config.workers) == ("all", 2)


def test_the_commands_of_the_documentation_render_the_chart(helm: Path, tmp_path: Path) -> None:
    """`helm template` takes what installs it, without a cluster."""
    written = [each for each in blocks() if each.page == "docs/install.md"]
    (values,) = (each.text for each in written if each.first_line.startswith("image: {"))
    (tmp_path / "values.yaml").write_text(values)
    (tmp_path / "deploy").symlink_to(TOP / "deploy")
    commands = [line for each in written for line in each.commands]
    (secret,) = (line for line in commands if line.startswith("kubectl"))
    installs = [line for line in commands if line.startswith("helm")]
    assert len(installs) == 2
    for line, replicas in zip(installs, (1, 3), strict=True):
        arguments = shlex.split(re.sub(r"^helm (upgrade --install|install)", "template", line))
        of_a_version = ("--kube-version", f"{VERSIONS[0]}.0")
        shown = run(helm, *arguments, *of_a_version, environment=os.environ, folder=tmp_path)
        documents = [each for each in yaml.safe_load_all(shown) if each]
        assert of_kind("Deployment", documents)["spec"]["replicas"] == replicas
        repository, _, _ = container_of(documents)["image"].rpartition(":")
        assert repository == "registry.example.org/theodora"
    variables = {each["name"]: each for each in container_of(documents)["env"]}
    known = variables["THEODORA_DATABASE"]["valueFrom"]["secretKeyRef"]
    assert f"generic {known['name']} --from-literal={known['key']}=postgresql://" in secret


def test_every_value_has_a_rule() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def check(values: dict[str, Any], rules: dict[str, Any], path: str) -> None:
        for name, value in values.items():
            rule = rules["properties"].get(name)
            assert rule, f"{path}{name}"
            if isinstance(value, dict) and "properties" in rule:
                check(value, rule, f"{path}{name}.")

    check(yaml.safe_load((CHART / "values.yaml").read_text()), schema, "")
