"""`theodora search`: the store and an exported file give the same, in every format."""

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from actors import TESTER
from theodora.cli import main
from theodora.dora import PullRequest
from theodora.events import Deployment, Failure, Git
from theodora.storage import Store

SECOND_NS = 10**9
START_NS = 1_700_000_000 * SECOND_NS


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Nine deployments of three services, a minute apart, and one failure."""
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    with Store(url) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        for number in range(9):
            deployment = Deployment(
                service=("web", "pay", "search")[number % 3],
                env="production",
                version=f"1.{number}",
                started_at_ns=START_NS + 60 * number * SECOND_NS,
                finished_at_ns=START_NS + (60 * number + number) * SECOND_NS,
                git=Git(f"{number:040x}", "https://github.com/acme/shop"),
                custom_tags=(f"build:{number}",),
            )
            store.deployments.add(org, deployment, 1, actor=TESTER).result()
        failure = Failure(services=("web",), name="Checkout is down", started_at_ns=START_NS)
        store.failures.add(org, failure, 1, actor=TESTER).result()
    return url


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["search", *arguments])


def versions(answer: Result) -> list[str]:
    assert answer.exit_code == 0, answer.output
    return [json.loads(line)["attributes"]["version"] for line in answer.output.splitlines()]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["service:web"], ["1.6", "1.3", "1.0"]),
        (["service:web", "--sort", "duration"], ["1.0", "1.3", "1.6"]),
        (["build:[2 TO 4]", "--limit", "2"], ["1.4", "1.3"]),
        (["-service:(web OR pay)", "--from", "2023-11-14T22:16:00Z"], ["1.8", "1.5"]),
        (["--to", "2023-11-14T22:13:20Z"], ["1.0"]),
        (["nothing"], []),
    ],
)
def test_store_and_file_give_the_same(
    url: str, tmp_path: Path, arguments: list[str], expected: list[str]
) -> None:
    file = tmp_path / "export.jsonl"
    options = ["--database", url]
    exported = CliRunner().invoke(main, ["export", "deployments", *options, "-o", str(file)])
    assert exported.exit_code == 0, exported.output
    assert versions(run(*arguments, *options, "--format", "json")) == expected
    assert versions(run(*arguments, "--file", str(file), "--format", "json")) == expected


def test_a_table_has_a_line_for_each_event_beneath_its_head(url: str) -> None:
    head, *lines = run("service:pay", "--database", url).output.splitlines()
    assert head.split() == [
        *("started_at", "service", "env", "version", "team", "change_failure", "id"),
    ]
    assert [line.split()[1] for line in lines] == ["pay", "pay", "pay"]


def test_csv_can_be_read_back(url: str) -> None:
    output = run("version:1.4", "--database", url, "--format", "csv").output
    (row,) = csv.DictReader(io.StringIO(output))
    assert (row["service"], row["version"]) == ("pay", "1.4")


def test_pull_requests_are_found_with_their_fields(url: str) -> None:
    with Store(url) as store:
        org = store.keys.organisation("default")
        requests = [
            PullRequest(number=n, title=f"Change {n}", author="ada", created_at_ns=START_NS + n)
            for n in (1, 2, 3)
        ]
        repository = "github.com/acme/shop"
        store.commits.add_pull_requests(org, repository, requests, actor=TESTER).result()
    asked = ("--pull-requests", "--database", url)
    lines = run("author:ada", "-number:2", *asked, "--format", "json").output.splitlines()
    assert [json.loads(line)["attributes"]["number"] for line in lines] == [3, 1]
    head, line = run("--sort", "number", "--limit", "1", *asked).output.splitlines()
    assert head.split() == [
        "updated_at",
        *["title", "author", "state", "cycle_time", "lines", "id"],
    ]
    assert line.split()[-1] == "github.com:acme:shop:1"
    assert run("author:bo", *asked).output == "No pull requests match.\n"
    for other in ("--failures", "--file=x"):
        refused = run(other, *asked)
        assert refused.exit_code == 1
        assert f"must not be given together with {other[:6]}" in refused.output
    refused = run("--sort", "started_at", *asked)
    assert "--sort: must be one of updated_at opened_at" in refused.output


def test_failures_are_found_by_free_text(url: str) -> None:
    output = run('"checkout down"', "--failures", "--database", url, "--format", "json").output
    assert output == ""
    output = run("checkout", "down", "--failures", "--database", url, "--format", "json").output
    assert json.loads(output)["attributes"]["services"] == ["web"]


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("service:", ["missing value at position 9", "  service:", "          ^"]),
        ("a AND (b", ['missing ")" at position 7', "  a AND (b", "        ^"]),
        ("日本\tx)", ['unexpected ")" at position 5', "  日本 x)", "        ^"]),
        (
            "web " * 40 + "!" + " x" * 40,
            [
                'unexpected "!" at position 161',
                "  …" + "web " * 15 + "!" + (" x" * 40)[:29] + "…",
                " " * 63 + "^",
            ],
        ),
        ("x" * 4097, ['attribute "query" must be at most 4096 characters']),
    ],
)
def test_a_caret_shows_where_a_query_is_wrong(url: str, query: str, shown: list[str]) -> None:
    lines = ["Error: the query cannot be read: " + shown[0], *shown[1:]]
    for command in (["search"], ["metrics", "--query"], ["report", "--query"]):
        answer = CliRunner().invoke(main, [*command, query, "--database", url])
        assert (answer.exit_code, answer.output.splitlines()) == (1, lines)


def test_a_search_without_hits_says_so(url: str) -> None:
    answer = run("service:nothing", "--database", url)
    assert (answer.exit_code, answer.output) == (0, "No deployments match.\n")
    answer = run("severity:none", "--failures", "--database", url)
    assert (answer.exit_code, answer.output) == (0, "No failures match.\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["service:"], "missing value at position 9"),
        (["--from", "yesterday"], '--from: invalid date-time "yesterday"'),
        (["--sort", "colour"], "--sort: must be one of id env team"),
        (["--file", "nowhere.jsonl"], "cannot read nowhere.jsonl"),
    ],
)
def test_a_bad_request_is_told_what_is_wrong(url: str, arguments: list[str], message: str) -> None:
    answer = run(*arguments, "--database", url)
    assert answer.exit_code == 1
    assert message in answer.output
