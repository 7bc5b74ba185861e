"""Every block of a page of the documentation is pasted, in order, into a shell with a store.

Addresses, folders and ids are replaced by those of the test. A command that goes on is ended once
it has begun. `blocks.py` names the blocks that are not run, with the reasons.
"""

import json
import os
import re
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import httpx2
import pytest
import yaml

import serving
from actors import TESTER
from blocks import texts
from forked_serving import forked
from forking import forking
from postgresql import PROGRAMS, PostgresqlServer
from shells import Shell
from test_first_numbers import steps
from theodora.config import Config, check_names, load
from theodora.storage import PersonIdentity, Store
from theodora.storage.access.principals import person_principal

SERVER = "https://dora.example.org"
ID, LATER = "64f25434490ef9c7", "8be30d7f0c1ac2e4"
"""Deployments that the pages name."""
FAILURE = "3b8f1948-30ae-5811-8c4a-81cf3f597a0c"
_TOOLS = Path(sys.executable).parent
_SSH = '#!/bin/sh\nshift\nexec sh -c "$*"\n'
"""Takes the commands for another host."""
_PATIENCE_SECONDS = 60

pytestmark = pytest.mark.skipif(not shutil.which("curl"), reason="this machine has no curl")


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder of programs that come first: a quick `theodora`, and `ssh` to this machine."""
    folder = tmp_path_factory.mktemp("programs")
    (folder / "ssh").write_text(_SSH)
    (folder / "ssh").chmod(0o755)
    with forking(folder):
        yield folder


@pytest.fixture
def shell(tmp_path: Path, programs: Path) -> Shell:
    """A shell in a folder whose store has the deployments that pages name."""
    folders = [programs, _TOOLS, PROGRAMS, *os.environ["PATH"].split(":")]
    shell = Shell(
        tmp_path,
        {
            "PATH": ":".join(map(str, folders)),
            "HOME": str(tmp_path),
            "LANG": "C.UTF-8",
            "PIP_NO_INDEX": "1",
            "THEODORA_DATABASE": f"sqlite:///{tmp_path / 'theodora.db'}",
            "THEODORA_PORT": "0",
        },
    )
    shell.paste("theodora import deployments -", given=lines(ID, LATER))
    return shell


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[serving.Server]:
    with forked(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def served(shell: Shell, server: serving.Server) -> Shell:
    """The shell on the server's store, which has them too, with the keys that pages use."""
    shell.environment |= {
        "THEODORA_DATABASE": server.database_url,
        "DD_API_KEY": serving.API_KEY,
        "DD_APP_KEY": serving.APPLICATION_KEY,
    }
    shell.paste("theodora import deployments -", given=lines(ID, LATER))
    return shell


@pytest.fixture
def on_postgresql(postgresql_server: PostgresqlServer) -> Iterator[list[str]]:
    """The names of two databases that are not there, and are removed."""
    names = [f"pasted_{os.getpid()}", f"pasted_empty_{os.getpid()}"]
    yield names
    for name in names:
        postgresql_server.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


def lines(*ids: str, service: str = "web") -> str:
    """Deployments of a service, a day apart and the last one today, as lines to import."""
    now = int(time.time())
    return "".join(
        json.dumps(
            {
                "id": id_,
                "service": service,
                "env": "production",
                "version": f"1.14.{number}",
                "started_at": now - (len(ids) - number) * 86_400,
                "finished_at": now - (len(ids) - number) * 86_400 + 60,
            }
        )
        + "\n"
        for number, id_ in enumerate(ids)
    )


def with_other(text: str, others: Mapping[str, str]) -> str:
    """A block with the values of the test, the longest first."""
    for each in sorted(others, key=len, reverse=True):
        assert each in text, f"{each} is not in\n{text}"
        text = text.replace(each, others[each])
    return text


def settings_of(shell: Shell, **more: str) -> Config:
    """What a server would read from the variables that are set."""
    given = {
        name: value for name, value in shell.environment.items() if name.startswith("THEODORA_")
    }
    check_names(given)
    return load({**given, **more}, {})


def test_lists_are_read_page_by_page(served: Shell, server: serving.Server) -> None:
    listed, error = texts("docs/api.md")
    served.paste("theodora import deployments -", given=lines("a", "b", "c", service="paged"))
    few = {"env:production": "service:paged", '"limit": 1000': '"limit": 2', SERVER: server.url}
    served.paste(with_other(listed, few))
    pages = [json.loads((served.folder / f"page{number}.json").read_text()) for number in (1, 2)]
    assert [[each["id"] for each in page["data"]] for page in pages] == [["c", "b"], ["a"]]
    answer = httpx2.post(
        f"{server.url}/api/v2/dora/deployment",
        headers=serving.KEYS,
        json={"data": {"attributes": {"started_at": 1693491974, "finished_at": 1693491984}}},
    )
    assert answer.json() == json.loads(error)


def test_the_audit_log_is_read_by_the_api_and_by_a_command(
    served: Shell, server: serving.Server
) -> None:
    asked, searches, command = texts("docs/audit.md")
    served.paste("theodora keys create api --name 'of the deploy job'")
    since = {"2026-11-01": "2020-01-01"}
    keys, *others = searches.splitlines()
    assert "of the deploy job" in served.paste(f"theodora audit --query {shlex.quote(keys)}")
    for each in others:
        served.paste(f"theodora audit --query {shlex.quote(each)}")
    assert "key.created" in served.paste(with_other(asked, {**since, SERVER: server.url}))
    assert "of the deploy job" in served.paste(with_other(command, since))


def test_backups_are_made_and_restored(
    shell: Shell, postgresql_server: PostgresqlServer, on_postgresql: list[str]
) -> None:
    by_hand, by_server, by_process, check, litestream, back, dump = texts("docs/backup.md")
    first, second = on_postgresql
    for name in on_postgresql:
        postgresql_server.execute(f"CREATE DATABASE {name}")
    backups, url = shell.folder / "backups", "postgresql://theodora@db/"
    backups.mkdir()
    here = {"/backups": str(backups)}
    there = {f"{url}theodora": f"'{postgresql_server.url(first)}'"}
    shell.paste(with_other(by_hand, {**here, **there}))
    assert {each.name for each in shell.folder.glob("theodora.*")} > {"theodora.tar.gz"}
    assert shell.paste(with_other(check, there)).count("no faults") == 2
    empty = {f"{url}empty": f"'{postgresql_server.url(second)}'"}
    shell.paste(with_other(dump, {**there, **empty}))
    moved = {"/var/lib/theodora": str(shell.folder), **here}
    made = re.compile('"event":"(backed up)"')
    with shell.started(with_other(by_server, here), made):
        pass
    for each in backups.iterdir():
        each.unlink()
    with shell.started(with_other(by_process, here), made):
        pass
    if not (_TOOLS / "litestream").exists():
        pytest.skip("litestream is not installed")
    with shell.started(with_other(litestream, moved), re.compile("(replicat)")):
        wait_for(backups / "theodora", "**/*.ltx")
    shell.paste(with_other(back, moved))
    assert "no faults" in shell.paste("theodora check")


def wait_for(folder: Path, files: str) -> None:
    """Returns once a file of the pattern is in the folder."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while not list(folder.glob(files)):
        assert time.monotonic() < until, f"no {files} in {folder}"
        time.sleep(0.05)


def test_commits_are_sent_and_rules_are_set(served: Shell, server: serving.Server) -> None:
    every = iter(texts("docs/commits.md"))
    tags, commit, deepen, settings, bots, marking, failure, override, exported = every
    served.paste(
        "git init -q origin && cd origin && git config user.email a@example.org\n"
        "git config user.name A && for each in 1 2 3; do\n"
        "git commit -q --allow-empty -m $each && git tag v$each; done; cd ..\n"
        'git clone -q --depth 1 "file://$PWD/origin" clone'
    )
    served.paste(f"cd clone\n{deepen}")
    assert "deployments: 3 added" in served.paste(f"cd clone\n{tags}")
    assert "1 added" in served.paste("theodora import commits -", given=commit)
    for block in (settings, bots, marking):
        served.paste(block)
    shown = served.paste("theodora settings show --service web")
    assert all(each in shown for each in ("storefront", "renovate@*", "incident_marks_failure"))
    served.paste(with_other(failure, {SERVER: server.url}))
    served.paste(override)
    served.paste("theodora import verdicts -", given=exported)
    assert "release desk" in served.paste(f"theodora verdict {ID}")


def test_forwarding(shell: Shell) -> None:
    on, again, status = texts("docs/forwarding.md")
    shell.paste(on)
    shell.paste(again)
    assert "datadoghq.eu" in shell.paste(status)


def test_files_of_every_form_are_imported(served: Shell, server: serving.Server) -> None:
    line, reopened, table, unknown, moved, everything = texts("docs/import.md")
    assert "1 " in served.paste("theodora import deployments -", given=line)
    assert "1 " in served.paste("theodora import failures -", given=reopened)
    assert "1 " in served.paste("theodora import deployments --format csv -", given=table)
    misspelt = lines(*map(str, range(12))).replace('"service"', '"sevice": "x", "service"')
    assert unknown in served.paste("theodora import deployments - 2>&1", given=misspelt)
    served.environment["THEODORA_DATABASE"] = f"sqlite:///{served.folder / 'copy.db'}"
    here = {"datadoghq.eu": server.url, "2026-01-01": "2020-01-01"}
    keys = {"DD_API_KEY=...": f"DD_API_KEY={serving.API_KEY}"}
    keys |= {"DD_APP_KEY=...": f"DD_APP_KEY={serving.APPLICATION_KEY}"}
    served.paste(with_other(moved, {**here, **keys}))
    served.paste(with_other(everything, here))


def test_a_key_is_limited_rotated_and_found_by_its_form(shell: Shell) -> None:
    made, rotated, form = texts("docs/keys.md")
    printed = shell.paste(made)
    [id_] = re.findall(r"^(\S+) .*deploy job of checkout", printed, re.MULTILINE)
    new = shell.paste(with_other(rotated, {"KEY_ID": id_}))
    assert re.search(form.strip(), new)


def test_badges_are_switched_on(shell: Shell) -> None:
    (badges,) = texts("docs/metrics.md")
    shell.paste(badges)
    assert settings_of(shell).badges


def test_assistants_connect_by_a_url_and_by_a_command(
    served: Shell, server: serving.Server
) -> None:
    made, by_url, by_command = texts("docs/mcp.md")
    key = served.paste(made).split()[-1]
    here = {"https://theodora.example.com": server.url, "APPLICATION_KEY": key}
    client = {"protocolVersion": "2025-06-18", "capabilities": {}}
    client["clientInfo"] = {"name": "a", "version": "1"}
    begin = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": client}
    [known] = json.loads(with_other(by_url, here))["mcpServers"].values()
    accepted = {"Accept": "application/json, text/event-stream"}
    answer = httpx2.post(known["url"], json=begin, headers=known["headers"] | accepted, timeout=60)
    assert answer.json()["result"]["serverInfo"]["name"] == "theodora", answer.text
    [known] = json.loads(by_command)["mcpServers"].values()
    command = shlex.join([known["command"], *known["args"]])
    place = {"sqlite:////var/lib/theodora/theodora.db": server.database_url}
    printed = served.paste(with_other(command, place), given=f"{json.dumps(begin)}\n")
    assert json.loads(printed)["result"]["serverInfo"]["name"] == "theodora"


def test_an_organisation_is_made_moved_and_deleted(shell: Shell) -> None:
    made, moved, deleted = texts("docs/organisations.md")
    shell.paste(made)
    shell.paste("theodora import deployments --org acme -", given=lines("a", "b", "c"))
    copied, started = moved.splitlines()
    shell.paste(copied)
    with shell.started(with_other(started, {"8090": "0"})) as url:
        assert httpx2.get(f"{url}/readyz").status_code == 200
    listed = shell.paste("theodora export deployments --org acme --database sqlite:///acme.db")
    assert len(listed.splitlines()) == 3
    shell.paste(with_other(deleted, {"1250": "3"}))


def test_people_come_in_by_a_proxy_and_are_changed(shell: Shell) -> None:
    proxy, github, commands = texts("docs/people.md")
    with shell.started(with_other(github, {"10.0.0.5": "127.0.0.1"})) as url:
        headers = {"X-Forwarded-User": "eve", "X-Forwarded-Groups": "example,example:developers"}
        page = httpx2.get(f"{url}/settings/people", headers={**headers, "Accept": "text/html"})
        assert "eve" in page.text
        assert "editor" in shell.paste("theodora people list")
    with shell.started(with_other(proxy, {"10.0.0.5": "127.0.0.1"})) as url:
        headers = {"X-Forwarded-User": "ada", "X-Forwarded-Groups": "sre", "Accept": "text/html"}
        assert "ada" in httpx2.get(url, headers=headers, follow_redirects=True).text
        key = shell.paste("theodora keys create application").split()[-1]
        httpx2.post(f"{url}/sign-in", data={"key": key}, headers={"Accept": "text/html"})
    [person] = re.findall(r"^(\S+) .*ada", shell.paste("theodora people list"), re.MULTILINE)
    session = shell.paste("theodora sessions list").splitlines()[1].split()[0]
    texts_of_ids = {"end ID": f"end {session}", " ID": f" {person}"}
    shell.paste(with_other(commands, texts_of_ids))
    assert len(shell.paste("theodora sessions list").splitlines()) < 2


@pytest.mark.slow
def test_a_store_is_moved_to_postgresql(
    shell: Shell, postgresql_server: PostgresqlServer, on_postgresql: list[str]
) -> None:
    new, replica, moved = texts("docs/postgresql.md")
    name, other = on_postgresql
    url = "postgresql://theodora@db.example.org/theodora"
    shell.environment |= {"PGHOST": "127.0.0.1", "PGPORT": str(postgresql_server.port)}
    ours = {f"{url}?sslmode=verify-full": postgresql_server.url(other)}
    postgresql_server.execute(f"CREATE DATABASE {other}")
    with shell.started(with_other(new, ours)) as address:
        assert httpx2.get(f"{address}/readyz").status_code == 200
    shell.paste(f"export {replica}")
    assert settings_of(shell).read_database_url
    del shell.environment["THEODORA_READ_DATABASE_URL"]
    with shell.started(
        with_other(
            moved,
            {
                "theodora theodora": f"theodora {name}",
                url: postgresql_server.url(name),
                "/var/lib/theodora": str(shell.folder),
            },
        )
    ) as address:
        assert httpx2.get(f"{address}/readyz").status_code == 200


def test_servers_start_behind_proxies(shell: Shell) -> None:
    for block, path in zip(texts("docs/proxies.md"), ("", "/dora", ""), strict=True):
        with shell.started(block) as url:
            answer = httpx2.get(f"{url.removesuffix('/dora')}{path}/healthz")
            assert answer.status_code == 200


def test_the_version_has_this_form(shell: Shell) -> None:
    (shown,) = texts("docs/releases.md")
    form = r"theodora \S+ \(commit \w+(-dirty)?, (built \S+Z|run from a checkout)\)\n"
    assert re.fullmatch(form, shown)
    assert re.fullmatch(form, shell.paste("theodora --version"))


def test_a_retention_is_previewed_set_and_taken_back(shell: Shell) -> None:
    (commands,) = texts("docs/retention.md")
    old = '{{"service": "web", "env": "production", "started_at": {0}, "finished_at": {0}}}\n'
    given = "".join(old.format(1_400_000_000 + number) for number in range(3))
    shell.paste("theodora import deployments -", given=given)
    shell.paste(with_other(commands, {"1250": "2"}))


def test_a_share_link_is_revoked(shell: Shell) -> None:
    (commands,) = texts("docs/share-links.md")
    now_ns = time.time_ns()
    with Store(shell.environment["THEODORA_DATABASE"]) as store:
        ada = PersonIdentity("proxy", "ada", "Ada", "ada@example.org")
        person = store.people.sign_in(
            "default", ada, "editor", now_ns, may_create=True, actor=TESTER
        ).result()
        link = store.share_links.add(
            person_principal(person),
            *("secret", "/", ""),
            expires_at_ns=now_ns + 10**15,
            now_ns=now_ns,
            actor=TESTER,
        ).result()
    assert link
    listed = shell.paste("theodora links list").splitlines()[1].split()[0]
    assert "revoked" in shell.paste(with_other(commands, {"ID": listed}))


def test_charts_are_annotated(served: Shell, server: serving.Server) -> None:
    command, request = texts("docs/annotations.md")
    id_ = served.paste(command).strip()
    assert "Moved to Argo CD" in served.paste(with_other(request, {SERVER: server.url}))
    assert id_ in served.paste("theodora annotate")


def test_goals_are_set_and_removed(served: Shell, server: serving.Server) -> None:
    commands, requests = texts("docs/goals.md")
    lines = served.paste(commands).splitlines()
    assert [line for line in lines if "checkout" in line]
    pasted = served.paste(with_other(requests, {SERVER: server.url}))
    assert pasted.count('"value":172800.0') == 2


def test_views_are_saved_for_everybody(served: Shell, server: serving.Server) -> None:
    (requests,) = texts("docs/saved-views.md")
    pasted = served.paste(with_other(requests, {SERVER: server.url}))
    assert pasted.count('"name":"Payments, a year"') == 2


def test_activity_of_users_is_sent(served: Shell, server: serving.Server) -> None:
    (command,) = texts("docs/ai-impact.md")
    assert served.paste(with_other(command, {SERVER: server.url})) == ""
    impact = f'"{server.url}/api/v2/dora/ai_impact?from=2026-01-31&to=2026-02-01"'
    keys = '-H "DD-API-KEY: $DD_API_KEY" -H "DD-APPLICATION-KEY: $DD_APP_KEY"'
    assert '"name":"cursor"' in served.paste(f"curl -s {impact} {keys}")


def test_pull_requests_are_imported_listed_and_measured(
    served: Shell, server: serving.Server
) -> None:
    imported, _, *requests, searched = texts("docs/pull-requests.md")
    served.paste(imported)
    listed, one, metrics = (
        json.loads(served.paste(with_other(each, {SERVER: server.url})))["data"]
        for each in requests
    )
    assert listed == [one]
    assert one["attributes"]["review_time"] == 5 * 3_600
    assert metrics[0]["attributes"]["total"]["cycle_time"]["p50"] == 25_800
    assert one["id"] in served.paste(searched)


def test_receivers_of_every_kind_are_added(served: Shell, server: serving.Server) -> None:
    commands, request = texts("docs/notifications.md")
    printed = served.paste(commands)
    assert printed.count("secret: whsec_") == 1
    added = served.paste(with_other(request, {SERVER: server.url}))
    assert '"days":["mon","thu"]' in added
    listed = served.paste("theodora notifications list")
    assert listed.count("slack") == 2
    assert all(kind in listed for kind in ("slack", "teams", "email", "webhook"))
    assert "password" not in listed


def test_the_settings_of_every_provider_are_read(shell: Shell) -> None:
    every = texts("docs/sign-in.md")
    assert len(every) == 6
    for each in every:
        shell.paste(each)
        config = settings_of(
            shell, THEODORA_OIDC_CLIENT_SECRET="a-secret", THEODORA_PUBLIC_URL=SERVER
        )
        assert config.oidc_roles
        shell.environment = {
            name: value for name, value in shell.environment.items() if "OIDC" not in name
        }


def test_sources_are_added_and_their_settings_read(served: Shell, server: serving.Server) -> None:
    every = texts("docs/sources.md")
    assert [each.strip() for each in every[:5]] == steps(), "tests/test_first_numbers.py runs them"
    assert "theodora backfill" in every[5], "tests/cli/test_backfill.py runs it"
    search, counting, members, mirrors, cdevents, link, receiver, paths = every[6:]
    served.paste(search)
    for settings in (counting, members):
        served.paste(f"theodora sources set all {shlex.join(settings.splitlines())}")
    served.paste(mirrors)

    add, send = cdevents.split("\n", 1)
    url, secret = address_and_secret(served.paste(with_other(add, {SERVER: server.url})))
    place = {f"{SERVER}/webhooks/cdevents/ID": url, "SECRET": secret}
    served.paste(with_other(send, place))

    failure = {"id": FAILURE, "services": ["web"], "started_at": int(time.time())}
    served.paste("theodora import failures -", given=json.dumps(failure))
    served.paste(link)

    url, secret = address_and_secret(
        served.paste(f"theodora sources add alertmanager --url {server.url}")
    )
    place = {"https://YOUR-SERVER/webhooks/alertmanager/ID": url, "SECRET": secret}
    [webhook] = yaml.safe_load(with_other(receiver, place))["receivers"][0]["webhook_configs"]
    bearer = f"Bearer {webhook['http_config']['authorization']['credentials']}"
    answer = httpx2.post(webhook["url"], json={"alerts": []}, headers={"Authorization": bearer})
    assert answer.status_code == 202

    chosen = " ".join(f"--set {shlex.quote(each)}" for each in paths.splitlines())
    printed = served.paste(f"theodora sources add json {chosen}")
    body = {
        "run": {"id": 7, "app": "shop"},
        "time": "2026-11-01T00:00:00Z",
        "state": "ok",
        "labels": [{"key": "env", "value": "production"}],
    }
    (served.folder / "body.json").write_text(json.dumps(body))
    told = served.paste(f"theodora sources test {added(printed)} body.json")
    assert "shop" in told
    assert "production" in told


def added(printed: str) -> str:
    """The id of the source that a command says it added."""
    found = re.search(r"Source (\w+) added", printed)
    assert found, printed
    return found[1]


def address_and_secret(printed: str) -> tuple[str, str]:
    """What a command says to enter at the provider."""
    url = re.search(r"(http\S+/webhooks/\S+)", printed)
    secret = re.search(r"(?:Secret|Bearer|Token|secret|token|credentials)\b:? (\S{20,})", printed)
    assert url, printed
    assert secret, printed
    return url[1], secret[1]
