"""`theodora import` and `theodora export`: round trips, bad lines, compressed files."""

import gzip
import json
from pathlib import Path
from typing import Any

import click
import pytest

from commands import Run
from theodora.cli import main
from theodora.events import Deployment, Failure, Git
from theodora.storage import Store

SHA = "66adc9350f2cc9b250b69abddab733dd55e1a588"
FULL: dict[str, Any] = {
    "id": "short",
    "service": "shopist",
    "env": "production",
    "team": "équipe",
    "version": "v1.12.07",
    "started_at": 1693491974000000001,
    "finished_at": 1693491984000000002,
    "commit_sha": SHA,
    "repository_url": "https://github.com/organization/example-repository",
    "custom_tags": ["language:java", "region:us-east-1"],
    "source": "another-tool/1.0",
    "created_at": 1693491990000000003,
}
BARE: dict[str, Any] = {"service": "web", "started_at": 1693491974, "finished_at": 1693491984}
FAILURE: dict[str, Any] = {
    "id": "short",
    "services": ["shopist", "cart"],
    "env": "production",
    "team": "équipe",
    "version": "v1",
    "name": "checkout is down",
    "severity": "SEV-1",
    "started_at": 1693491974000000001,
    "finished_at": 1693491984000000002,
    "commit_sha": SHA,
    "repository_url": "https://github.com/a/b",
    "custom_tags": ["cause:human"],
    "source": "pager",
    "created_at": 1693491990000000003,
}
REOPENED: dict[str, Any] = {
    **FAILURE,
    "periods": [
        {"started_at": 1693491974000000001, "finished_at": 1693491975000000001},
        {"started_at": 1693491980000000002, "finished_at": 1693491984000000002},
    ],
}
EVERYTHING = [("deployments", FULL), ("failures", FAILURE), ("failures", REOPENED)]


def lines(*documents: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def exported(run: Run, kind: str = "deployments", **options: str) -> list[dict[str, Any]]:
    result = run("export", kind, **options)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def stored(url: str) -> list[Deployment]:
    with Store(url) as store:
        return list(store.deployments.everything(store.keys.organisation("default")))


@pytest.mark.parametrize(("kind", "document"), EVERYTHING)
def test_every_attribute_goes_in_and_comes_out(
    run: Run, kind: str, document: dict[str, Any]
) -> None:
    result = run("import", kind, "-", given=lines(document))
    assert (result.exit_code, result.stdout) == (
        0,
        "1 added, 0 replaced, 0 unchanged, 0 rejected\n",
    )
    [found] = exported(run, kind)
    assert {name: found[name] for name in document} == document


@pytest.mark.parametrize(("kind", "document"), EVERYTHING)
def test_what_is_exported_is_imported_elsewhere_unchanged(
    run: Run, tmp_path: Path, kind: str, document: dict[str, Any]
) -> None:
    other = f"sqlite:///{tmp_path / 'other.db'}"
    bare = {name: value for name, value in document.items() if name in {"services", "service"}}
    times = {"started_at": 1693491974, "finished_at": 1693491984}
    run("import", kind, "-", given=lines(document, {**bare, **times}))
    file = tmp_path / "events.jsonl"
    assert run("export", kind, "-o", str(file)).exit_code == 0
    assert run("import", kind, str(file), database=other).exit_code == 0
    assert exported(run, kind, database=other) == exported(run, kind)


def test_an_event_is_what_it_was_as_a_value(run: Run, url: str) -> None:
    run("import", "deployments", "-", given=lines(FULL))
    [deployment] = stored(url)
    assert deployment == Deployment(
        id="short",
        service="shopist",
        env="production",
        team="équipe",
        version="v1.12.07",
        started_at_ns=1693491974000000001,
        finished_at_ns=1693491984000000002,
        git=Git(SHA, "https://github.com/organization/example-repository"),
        custom_tags=("language:java", "region:us-east-1"),
        source="another-tool/1.0",
        created_at_ns=1693491990000000003,
        change_failure=deployment.change_failure,
        deployment_type=deployment.deployment_type,
    )


def test_git_may_also_be_written_as_in_the_api(run: Run) -> None:
    git = {"commit_sha": SHA.upper(), "repository_url": "https://u:p@github.com/a/b"}
    run("import", "deployments", "-", given=lines({**BARE, "git": git}))
    [found] = exported(run)
    assert (found["commit_sha"], found["repository_url"]) == (SHA, "https://github.com/a/b")
    assert found["source"] == "import"


def test_importing_again_changes_nothing(run: Run) -> None:
    documents = lines(FULL, BARE)
    assert run("import", "deployments", "-", given=documents).exit_code == 0
    before = exported(run)
    again = run("import", "deployments", "-", given=documents)
    assert again.stdout == "0 added, 0 replaced, 2 unchanged, 0 rejected\n"
    assert exported(run) == before


def test_a_changed_line_replaces(run: Run) -> None:
    run("import", "deployments", "-", given=lines(FULL, BARE))
    again = run("import", "deployments", "-", given=lines(FULL, {**BARE, "team": "new"}))
    assert again.stdout == "0 added, 1 replaced, 1 unchanged, 0 rejected\n"
    assert [found.get("team") for found in exported(run)] == ["équipe", "new"]


BAD_LINES = [
    (b"nonsense", "not JSON: "),
    (b"[1]", "not an object but of type array"),
    (b'{"service": "web"', "not JSON: "),
    (b"\xff\xfe", "not JSON: "),
    (b'{"a":' * 3_000 + b"1" + b"}" * 3_000, "not JSON: "),
    (lines({**BARE, "service": ""}).strip(), '/service: attribute "service" is required'),
    (lines({**BARE, "id": "a b"}).strip(), '/id: attribute "id" must be 1 to 128 characters'),
    (
        lines({**BARE, "commit_sha": "abc", "repository_url": "x/y"}).strip(),
        '/git/commit_sha: attribute "commit_sha" must be 40 to 64',
    ),
    (lines({**BARE, "started_at": 10**400}).strip(), "/started_at: "),
]


@pytest.mark.parametrize(("line", "reason"), BAD_LINES, ids=lambda value: repr(value)[:30])
def test_a_bad_line_is_shown_with_number_and_reason_and_kept_out(
    run: Run, line: bytes, reason: str
) -> None:
    result = run(
        "import", "deployments", "-", given=lines(FULL) + b"\n" + line + b"\n" + lines(BARE)
    )
    assert result.exit_code == 1
    assert result.stdout == "2 added, 0 replaced, 0 unchanged, 1 rejected\n"
    assert result.stderr.startswith(f"-:3: {reason}")
    assert len(exported(run)) == 2


def test_every_bad_line_is_counted_and_the_first_twenty_are_shown(run: Run) -> None:
    result = run("import", "deployments", "-", given=b"x\n" * 50)
    assert (result.exit_code, result.stdout) == (
        1,
        "0 added, 0 replaced, 0 unchanged, 50 rejected\n",
    )
    shown = result.stderr.splitlines()
    assert [line.split(":")[1] for line in shown[:-1]] == [str(n) for n in range(1, 21)]
    assert shown[-1] == "more lines were rejected; not shown"


def test_several_files_are_read_compressed_or_not(run: Run, tmp_path: Path) -> None:
    plain, packed = tmp_path / "a.jsonl", tmp_path / "b.jsonl.gz"
    plain.write_bytes(lines(FULL))
    packed.write_bytes(gzip.compress(lines(BARE)))
    result = run("import", "deployments", str(plain), str(packed))
    assert result.stdout == "2 added, 0 replaced, 0 unchanged, 0 rejected\n"


@pytest.mark.parametrize(
    "content",
    [
        gzip.compress(lines(*({**BARE, "version": str(n)} for n in range(500))))[:-20],
        lines(BARE),
        b"\x1f\x8b",
    ],
    ids=["truncated", "not compressed", "two bytes"],
)
def test_a_file_that_cannot_be_unpacked_ends_in_a_plain_sentence(
    run: Run, tmp_path: Path, content: bytes
) -> None:
    file = tmp_path / "deployments.jsonl.gz"
    file.write_bytes(content)
    result = run("import", "deployments", str(file))
    assert result.exit_code == 1
    assert "the file ends too early or is not gzip" in result.stderr
    assert "Traceback" not in result.output


def test_a_file_that_is_missing_ends_in_a_plain_sentence(run: Run, tmp_path: Path) -> None:
    result = run("import", "deployments", str(tmp_path / "missing.jsonl"))
    assert (result.exit_code, "No such file" in result.stderr) == (1, True)


def test_organisations_are_kept_apart(run: Run) -> None:
    run("import", "deployments", "-", "--org", "one", given=lines(FULL))
    run("import", "deployments", "-", "--org", "other", given=lines(BARE))
    result = run("export", "deployments", "--org", "one")
    assert [json.loads(line)["id"] for line in result.stdout.splitlines()] == ["short"]
    assert run("export", "deployments", "--org", "nobody").exit_code == 1


def test_an_open_failure_has_no_end(run: Run, url: str) -> None:
    run("import", "failures", "-", given=lines({"team": "x", "started_at": 1693491974}))
    with Store(url) as store:
        [failure] = store.failures.everything(store.keys.organisation("default"))
    assert failure == Failure(
        id=failure.id,
        team="x",
        started_at_ns=1693491974 * 10**9,
        source="import",
        created_at_ns=failure.created_at_ns,
    )


def commands(command: click.Command, *path: str) -> list[tuple[str, ...]]:
    """The path of every command there is."""
    if not isinstance(command, click.Group):
        return [path]
    inner = [
        found for name, sub in command.commands.items() for found in commands(sub, *path, name)
    ]
    return [path, *inner]


def command_of(path: tuple[str, ...]) -> click.Command:
    found: click.Command = main
    for name in path:
        assert isinstance(found, click.Group)
        found = found.commands[name]
    return found


@pytest.mark.parametrize("path", commands(main), ids=" ".join)
def test_help_says_what_a_command_and_each_of_its_options_mean(
    run: Run, path: tuple[str, ...]
) -> None:
    result = run(*path, "--help")
    assert result.exit_code == 0
    command = command_of(path)
    assert command.help
    assert command.help.strip().splitlines()[0].rstrip(":") in " ".join(result.stdout.split())
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{' '.join(path)} {parameter.name}"
            assert parameter.opts[0] in result.stdout


@pytest.mark.parametrize("kind", ["deployments", "failures", "commits", "verdicts"])
def test_an_export_to_a_file_named_gz_is_compressed(run: Run, tmp_path: Path, kind: str) -> None:
    run("import", "deployments", "-", given=lines(FULL))
    run("import", "failures", "-", given=lines(FAILURE))
    run(
        "import",
        "commits",
        "-",
        given=lines({"repository": "github.com/a/b", "sha": SHA, "author_time": 1693491974}),
    )
    run("verdict", "short", "--failed")
    plain, packed = tmp_path / "plain.jsonl", tmp_path / "packed.jsonl.gz"
    for file in (plain, packed):
        assert run("export", kind, "-o", str(file)).exit_code == 0
    assert plain.read_bytes()
    assert gzip.decompress(packed.read_bytes()) == plain.read_bytes()


def period(started_at: int, finished_at: int | None) -> dict[str, Any]:
    return {"started_at": started_at, "finished_at": finished_at}


START = 1693491974
PERIODS = [period(START, START + 10), period(START + 50, START + 60)]
REOPENED_AT_50 = [PERIODS[0], period(START + 50, None)]


def failed(*periods: dict[str, Any], **members: Any) -> dict[str, Any]:
    ends = {"started_at": periods[0]["started_at"], "finished_at": periods[-1]["finished_at"]}
    return {"id": "outage", "services": ["web"], "periods": list(periods), **ends, **members}


def spans(run: Run) -> list[tuple[int, int | None]]:
    """The seconds of the periods of the one failure that there is."""
    [found] = exported(run, "failures")
    periods = found.get(
        "periods", [{name: found.get(name) for name in ("started_at", "finished_at")}]
    )
    return [
        (each["started_at"] // 10**9 - START, (each["finished_at"] or 0) // 10**9 - START)
        for each in periods
    ]


def test_the_time_to_restore_of_a_reopened_failure_is_the_sum_of_its_periods(
    run: Run, url: str
) -> None:
    run("import", "failures", "-", given=lines(failed(*PERIODS)))
    with Store(url) as store:
        organisation = store.keys.organisation("default")
        [failure] = store.failures.everything(organisation)
        assert failure.time_to_restore == 20
    found = json.loads(run("search", "--failures", "time_to_restore:20", "--format", "json").stdout)
    assert found["attributes"]["time_to_restore"] == 20


def test_one_period_is_none_apart(run: Run) -> None:
    run("import", "failures", "-", given=lines(failed(PERIODS[0])))
    [found] = exported(run, "failures")
    assert "periods" not in found


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        (failed(*PERIODS) | {"periods": {}}, 'error decoding attribute "periods": invalid type'),
        (failed(*PERIODS) | {"periods": [7]}, 'error decoding attribute "periods": invalid type'),
        (failed(*PERIODS) | {"periods": [{}]}, 'attribute "started_at" is required'),
        (failed(*PERIODS, started_at=START + 1), 'must begin at attribute "started_at"'),
        (failed(*PERIODS, finished_at=None), 'must end at attribute "finished_at"'),
        (failed(*PERIODS, finished_at=START + 70), 'must end at attribute "finished_at"'),
        (
            failed(period(START, None), PERIODS[1]),
            "start after the one before ended",
        ),
        (
            failed(PERIODS[0], period(START + 10, START + 60)),
            "start after the one before ended",
        ),
        (failed(*reversed(PERIODS), started_at=START + 50), "start after the one before"),
        (failed(PERIODS[0], period(START + 50, START + 40)), "do not end before they start"),
        (
            failed(*(period(START + 2 * n, START + 2 * n + 1) for n in range(1_001))),
            'attribute "periods" must have at most 1000 items',
        ),
    ],
)
def test_periods_follow_one_another_from_start_to_end(
    run: Run, document: dict[str, Any], problem: str
) -> None:
    result = run("import", "failures", "-", given=lines(document))
    assert result.exit_code == 1
    assert result.stdout.endswith("1 rejected\n")
    assert problem in result.stderr


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ([failed(*PERIODS), failed(period(START, None))], [(0, 10), (50, 60)]),
        ([failed(*PERIODS), failed(*REOPENED_AT_50)], [(0, 10), (50, 60)]),
        (
            [failed(PERIODS[0]), failed(PERIODS[0], period(START + 50, None))],
            [(0, 10), (50, -START)],
        ),
        ([failed(PERIODS[0], period(START + 50, None)), failed(*PERIODS)], [(0, 10), (50, 60)]),
        ([failed(*PERIODS), failed(PERIODS[0])], [(0, 10)]),
    ],
    ids=["opened late", "reopened late", "reopened", "resolved", "corrected"],
)
def test_a_late_opening_does_not_reopen_a_restored_failure(
    run: Run, documents: list[dict[str, Any]], expected: list[tuple[int, int]]
) -> None:
    for document in documents:
        assert run("import", "failures", "-", given=lines(document)).exit_code == 0
    assert spans(run) == expected


def test_a_late_opening_still_corrects_the_other_attributes(run: Run) -> None:
    for document in (failed(*PERIODS), failed(period(START, None), severity="SEV-2")):
        run("import", "failures", "-", given=lines(document))
    [found] = exported(run, "failures")
    assert (found["severity"], found["finished_at"]) == ("SEV-2", (START + 60) * 10**9)
