"""The compose files, read as Docker Compose reads them.

Their commands are run without containers, with other addresses and folders.
"""

import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psycopg
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
from postgresql import PostgresqlServer, free_port
from theodora import __version__

FOLDER = TOP / "deploy/compose"
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "theodora" / "compose"
COMPOSE = "github.com/compose-spec/compose-go/v2@v2.16.2"
"""The library that Docker Compose reads files with."""

LITESTREAM = Path(sys.executable).with_name("litestream")
NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
PASSWORD = {"POSTGRES_PASSWORD": "a-password"}

_SECONDS = 60

pytestmark = pytest.mark.deploy


@pytest.fixture(scope="session")
def reader() -> Path:
    """A program that reads a file as Docker Compose does, built once for each version."""
    if not shutil.which("go"):
        pytest.skip("this machine has no go")
    source = (TOP / "tests/deploy/compose/main.go").read_text()
    folder = CACHE / hashlib.sha256(f"{COMPOSE}{source}".encode()).hexdigest()[:12]
    program = folder / "compose"
    if not program.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "main.go").write_text(source)
        (folder / "go.mod").unlink(missing_ok=True)
        for command in (["mod", "init", "compose"], ["get", COMPOSE], ["mod", "tidy"]):
            run_or_skip("go", *command, environment=os.environ, folder=folder)
        run("go", "build", environment=os.environ, folder=folder)
    return program


def read(reader: Path, name: str, **environment: str) -> dict[str, Any]:
    given = {"PATH": os.environ["PATH"], **environment}
    return json.loads(run(reader, FOLDER / name / "compose.yaml", environment=given))


def test_the_database_of_two_servers_needs_a_password(reader: Path) -> None:
    shown = subprocess.run(
        [reader, FOLDER / "postgresql/compose.yaml"],
        env={},
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 1
    assert "POSTGRES_PASSWORD" in shown.stderr


@pytest.mark.parametrize("name", ["sqlite", "postgresql"])
def test_every_server_is_restricted_and_of_this_version(reader: Path, name: str) -> None:
    project = read(reader, name, **PASSWORD)
    servers = {
        name: each for name, each in project["services"].items() if "theodora" in each["image"]
    }
    assert len(servers) == (1 if name == "sqlite" else 2)
    for server in servers.values():
        assert server["image"] == f"theodora:{__version__}"
        assert server["build"]["context"] == str(TOP)
        assert (TOP / server["build"]["dockerfile"]).exists()
        assert server["read_only"]
        assert server["cap_drop"] == ["ALL"]
        assert server["security_opt"] == ["no-new-privileges:true"]
        # The image's own.
        assert "healthcheck" not in server
        assert not server["command"]
    published = [port for each in project["services"].values() for port in each.get("ports", ())]
    assert {port["host_ip"] for port in published} == {"127.0.0.1"}


@contextmanager
def server_of(
    service: Mapping[str, Any], folder: Path, replaced: Mapping[str, str]
) -> Iterator[str]:
    """The server that a service describes, with other addresses and folders."""
    folder.mkdir()
    given = {**image_environment(), **(service.get("environment") or {}), **BOOTSTRAP}
    given |= {"THEODORA_HOST": "127.0.0.1", "THEODORA_PORT": "0"}
    for text, other in replaced.items():
        given = {name: value.replace(text, other) for name, value in given.items()}
    environment = {**clean_environment(folder), **given}
    with started([PROGRAM, "serve"], environment, folder) as url:
        yield url


@pytest.mark.skipif(not LITESTREAM.exists(), reason="litestream is not installed")
def test_litestream_copies_the_database_of_the_server(reader: Path, tmp_path: Path) -> None:
    services = read(reader, "sqlite")["services"]
    volumes = {"/var/lib/theodora": str(tmp_path / "lib"), "/var/lib/theodora-backups": ""}
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib-backups").mkdir()
    for service in services.values():
        assert {each["target"] for each in service["volumes"]} == volumes.keys()
    replaced = {"/var/lib/theodora": str(tmp_path / "lib")}
    command = [
        part.replace("/var/lib/theodora", replaced["/var/lib/theodora"])
        for part in services["litestream"]["command"]
    ]
    *_, replica = command
    (restore,) = (
        line
        for each in blocks()
        for line in each.commands
        if "litestream restore" in line and line.startswith("docker")
    )
    assert shlex.split(restore)[-1] == services["litestream"]["command"][-1]
    with server_of(services["server"], tmp_path / "server", replaced) as url:
        with (tmp_path / "litestream.log").open("w") as log:
            process = subprocess.Popen([str(LITESTREAM), *command], stdout=log, stderr=log)
        try:
            send_and_find(url)
            copy = tmp_path / "copy.db"
            until = time.monotonic() + _SECONDS
            while not has_event(replica, copy):
                assert time.monotonic() < until, (tmp_path / "litestream.log").read_text()
                time.sleep(1)
        finally:
            process.terminate()
            process.wait(timeout=30)


def has_event(replica: str, copy: Path) -> bool:
    """Whether the event is in a database that is restored from the copy."""
    for left in copy.parent.glob(f"{copy.name}*"):
        left.unlink()
    restore = [str(LITESTREAM), "restore", "-o", str(copy), replica]
    if subprocess.run(restore, capture_output=True, check=False).returncode:
        return False
    search = [PROGRAM, "search", "service:first", "--database", f"sqlite:///{copy}"]
    found = subprocess.run(search, capture_output=True, text=True, check=False)
    return "first" in found.stdout


@pytest.mark.skipif(not NGINX, reason="this machine has no nginx")
def test_a_proxy_passes_over_a_server_that_has_stopped(
    reader: Path, postgresql_server: PostgresqlServer, tmp_path: Path
) -> None:
    services = read(reader, "postgresql", **PASSWORD)["services"]
    with psycopg.connect(postgresql_server.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE of_compose")
    database = {"postgresql://theodora@database/theodora": postgresql_server.url("of_compose")}
    port = str(free_port())
    config = (FOLDER / "postgresql/nginx.conf").read_text().replace("listen 8080", f"listen {port}")
    with ExitStack() as stack:
        servers = [stack.enter_context(ExitStack()) for _ in range(2)]
        for number, server in enumerate(servers, 1):
            service = services[f"server-{number}"]
            folder = tmp_path / f"server-{number}"
            url = server.enter_context(server_of(service, folder, database))
            named = f"{service['networks']['default']['ipv4_address']}:8080"
            assert named in config
            config = config.replace(named, url.removeprefix("http://"))
        (tmp_path / "nginx.conf").write_text(f"pid {tmp_path}/pid;\n{config}")
        stack.enter_context(proxy(services["proxy"], tmp_path))
        address = f"http://127.0.0.1:{port}"
        send_and_find(address)
        servers[0].close()
        for _ in range(4):
            send_and_find(address)


@contextmanager
def proxy(service: Mapping[str, Any], folder: Path) -> Iterator[None]:
    """The proxy of a service, with the configuration of this folder."""
    _, *arguments = [part.replace("/etc/theodora", str(folder)) for part in service["command"]]
    process = subprocess.Popen([str(NGINX), *arguments])
    try:
        until = time.monotonic() + _SECONDS
        while not (folder / "pid").exists():
            assert process.poll() is None
            assert time.monotonic() < until
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


@pytest.mark.parametrize(("name", "service"), [("sqlite", "server"), ("postgresql", "proxy")])
def test_monitoring_is_started_beside_either(reader: Path, name: str, service: str) -> None:
    """Grafana gets what its provisioning names, Prometheus the server by its name there."""
    files = [FOLDER / each / "compose.yaml" for each in (name, "monitoring")]
    given = {"GRAFANA_PASSWORD": "a", "THEODORA_APP_KEY": "k" * 40, "THEODORA_SERVICE": service}
    found = json.loads(run(reader, *files, environment={**PASSWORD, **given}))
    prometheus, grafana = (found["services"][each] for each in ("prometheus", "grafana"))
    for each in (prometheus, grafana):
        assert each["links"] == [f"{service}:dora.example.org"]
        for volume in each["volumes"]:
            assert volume["type"] == "volume" or Path(volume["source"]).exists(), volume
    scraped = yaml.safe_load((TOP / "deploy/prometheus/prometheus.yml").read_text())
    jobs = scraped["scrape_configs"]
    assert {job["static_configs"][0]["targets"][0] for job in jobs} == {"dora.example.org:8080"}
    [secret] = prometheus["secrets"]
    assert secret["target"] == jobs[1]["authorization"]["credentials_file"]
    assert found["secrets"][secret["source"]]["environment"] == "THEODORA_APP_KEY"
    mounted = {volume["target"]: volume["source"] for volume in grafana["volumes"]}
    provisioning = Path(mounted["/etc/grafana/provisioning/datasources"]) / "theodora.yml"
    named = set(re.findall(r"\$([A-Z_]+)", provisioning.read_text()))
    assert named == {"PROMETHEUS_URL", "THEODORA_URL", "THEODORA_APP_KEY"} & set(
        grafana["environment"]
    )
    providers = Path(mounted["/etc/grafana/provisioning/dashboards"]) / "theodora.yml"
    [provider] = yaml.safe_load(providers.read_text())["providers"]
    dashboards = Path(mounted[provider["options"]["path"]])
    assert {file.name for file in dashboards.glob("*.json")} == {"api.json", "prometheus.json"}
