"""The parsers of what comes from providers and repositories.

Webhooks, settings of sources, lists of Datadog, files that describe services.
"""

import json

from deliveries import (
    Delivery,
    body_of,
    correlated,
    correlated_image,
    deployment,
    incident,
    pull_request,
    push,
    received,
    review,
    status,
)
from fuzz.parsers import Parser
from theodora.errors import Invalid, Problem
from theodora.sources.datadog.events import (
    deployment_from_resource,
    failure_from_resource,
    started_at_ns,
    verdict_from_resource,
)
from theodora.sources.json_lines import read_document
from theodora.sources.service_files import CodeOwners, read_service_file
from theodora.sources.webhooks.correlation import image_keys
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS
from theodora.sources.webhooks.fold import fold
from theodora.sources.webhooks.json_paths import check_path, values_at
from theodora.sources.webhooks.read import read_received
from theodora.sources.webhooks.settings_lines import lines_from_settings, settings_from_lines
from theodora.sources.webhooks.table import SOURCES, source_named


def _webhook(data: bytes) -> None:
    """The kind of source, its headers, then the body."""
    head, _, body = data.decode(errors="replace").partition("\n")
    kind, _, headers = head.partition(" ")
    named = dict(each.split("=", 1) for each in headers.split(" ") if "=" in each)
    stored = received(kind, Delivery(named, {}))._replace(body=body)
    reading = read_received(stored, DEFAULT_SETTINGS, {})
    if reading.state == "failed":
        raise Invalid(Problem(reading.reason))
    for thing in {fact.thing for fact in reading.facts}:
        documents = [fact.document for fact in reading.facts if fact.thing == thing]
        assert fold(kind, thing, documents) == fold(kind, thing, documents[::-1])


def _sent(kind: str, delivery: Delivery) -> bytes:
    headers = " ".join(f"{name}={value}" for name, value in delivery.headers.items())
    return f"{kind} {headers}\n{body_of(delivery)}".encode()


def _source_settings(data: bytes) -> None:
    """The kind of source, then its lines; what is written of them gives the same."""
    kind, *lines = data.decode(errors="replace").split("\n")
    source = source_named(kind)
    settings = settings_from_lines(source, lines)
    assert settings_from_lines(source, lines_from_settings(settings)) == settings


def _json_path(data: bytes) -> None:
    path = data.decode(errors="replace")
    check_path(path)
    for _ in values_at(_PAYLOAD, path):
        pass


def _resource(data: bytes) -> None:
    """Of Datadog's lists: the letter d or f, then what the list holds."""
    document = read_document(data[1:])
    started_at_ns(document)
    verdict_from_resource(document)
    (deployment_from_resource if data[:1] == b"d" else failure_from_resource)(document)


def _owners(data: bytes) -> None:
    owners = CodeOwners(data.decode(errors="replace"))
    for path in ("web/a.ts", "", "é/..", "a/" * 200):
        owners.team_of(path)


_PAYLOAD = {"a": [{"b": 1, "c": "x"}, {"b": None}], "d": {"e": {"f": [1, 2.5, "é"]}}}
_ATTRIBUTES = {
    "service": "web",
    "env": "production",
    "started_at": "2023-08-31T14:26:14Z",
    "finished_at": 1693491984000000000,
    "change_failure": True,
    "remediation": {"id": "0" * 16, "type": "rollback"},
    "git": {"commit_sha": "6" * 40, "repository_id": "github.com/acme/shop"},
    "custom_tags": ["language:java"],
}
_FAILED = {"services": ["web"], "name": ["down"], "severity": ["SEV-1"], "started_at": 10**18}
_V2 = "schema-version: v2.2\ndd-service: web\nteam: shop\nlanguages: [go]\ntags: ['tier:1']\n"
_V3 = """apiVersion: v3
kind: service
metadata: {name: web, owner: shop, tags: [a:b]}
spec: {languages: [java]}
datadog: {codeLocations: [{repositoryURL: x, paths: ["web/**", ./shop]}]}
"""

SOURCE_PARSERS = (
    Parser(
        "webhook",
        _webhook,
        [
            *(
                _sent("github", each)
                for each in (
                    status(deployment(1, 1, 1), "success", 2),
                    pull_request(1, "closed", 1, merged_at="2026-03-01T00:00:00Z"),
                    review(1, "approved", 1),
                    push(1, (2, 1, "Add cart")),
                )
            ),
            _sent("pagerduty", incident("resolved", 1)),
            _sent("datadog-ci", correlated(1, 2)),
            _sent("datadog-ci", correlated_image("r.example/acme/shop:1.4.0", 1)),
            *(f"{source.name} \n{{}}".encode() for source in SOURCES),
        ],
        [*(f"{source.name} ".encode() for source in SOURCES), b"x-github-event=push ", b"null"],
    ),
    Parser(
        "source settings",
        _source_settings,
        (b"github\nservice shop=web\nenv prod=production\nteam web=core\n", b"pagerduty\n"),
        (b"\n", b"=", b"service ", b"env ", b"team ", b"yes", b"*"),
    ),
    Parser(
        "JSONPath",
        _json_path,
        (b"$.a[0].b", b"$.d.e.f[*]", b"$..b", b"$.a[?@.b==1].c", b"$['d'][\"e\"]"),
        (b"[?", b"..", b"[*]", b"@", b"$", b"==", b"&&", b"[1:2:-1]"),
        (ValueError,),
    ),
    Parser(
        "Datadog resource",
        _resource,
        [
            b"d" + json.dumps({"id": "1" * 16, "attributes": _ATTRIBUTES}).encode(),
            b"f" + json.dumps({"id": "2" * 16, "attributes": _FAILED}).encode(),
        ],
    ),
    Parser(
        "service file",
        lambda data: read_service_file(data.decode(errors="replace")),
        (_V2.encode(), _V3.encode(), f"{_V2}---\n{_V3}".encode()),
        (b"\n---\n", b": ", b"- ", b"&a ", b"*a", b"<<: ", b"!!python/object", b"{", b"|\n"),
    ),
    Parser(
        "code owners",
        _owners,
        (b"* @acme/core\n/web/ @acme/web a@b.c # c\n[Shop][2] @acme/shop\n*.ts\n",),
        (b"**/", b"@", b"[", b"^[", b" #", b"!", b"?", b"\\ "),
    ),
    Parser(
        "image",
        lambda data: image_keys(data.decode(errors="replace")),
        (b"r.example:5000/acme/shop:1.4.0@sha256:" + b"0" * 64, b"shop", b"docker.io/a/b:latest"),
        (b"@sha256:", b":", b"/", b"@"),
    ),
)
