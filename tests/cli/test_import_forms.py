"""`theodora import` takes what people have: byte order marks, date-times, tables, odd members."""

import codecs
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from commands import Run

DEPLOYMENT = {
    "service": "web",
    "env": "production",
    "version": "1.0",
    "started_at": "2025-10-01T10:00:00Z",
    "finished_at": "2025-10-01T12:05:00+02:00",
}
STARTED_NS = 1759312800 * 10**9
LINE = json.dumps(DEPLOYMENT) + "\n"
TABLE = (
    "service,env,version,started_at,finished_at,commit_sha,repository_url\n"
    "web,production,1.0,2025-10-01T10:00:00Z,2025-10-01T10:05:00Z,,\n"
)


def exported(run: Run, kind: str = "deployments") -> list[dict[str, Any]]:
    return [json.loads(line) for line in run("export", kind).stdout.splitlines()]


@pytest.mark.parametrize(
    "content",
    [
        codecs.BOM_UTF8 + LINE.encode(),
        LINE.encode("utf-16"),
        codecs.BOM_UTF16_BE + LINE.encode("utf-16-be"),
        LINE.encode("utf-32"),
        gzip.compress(codecs.BOM_UTF8 + LINE.encode()),
        gzip.compress(LINE.encode("utf-16")),
    ],
    ids=["UTF-8", "UTF-16", "UTF-16 BE", "UTF-32", "gzip", "gzip of UTF-16"],
)
@pytest.mark.parametrize("from_", ["file", "standard input"])
def test_a_byte_order_mark_tells_the_encoding(
    run: Run, tmp_path: Path, content: bytes, from_: str
) -> None:
    file = tmp_path / "deployments.jsonl"
    file.write_bytes(content)
    if from_ == "file":
        result = run("import", "deployments", str(file))
    else:
        result = run("import", "deployments", "-", given=content)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("1 added")


def test_files_with_marks_may_have_been_joined(run: Run) -> None:
    lines = [LINE.replace("1.0", version).encode() for version in ("1", "2")]
    result = run("import", "deployments", "-", given=b"".join(codecs.BOM_UTF8 + x for x in lines))
    assert result.stdout.startswith("2 added")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (codecs.BOM_UTF16_LE + b"{\0}\0\n", "begins as utf-16-le and is not"),
        (b"PK\x03\x04rest", "an Excel workbook; save the table as CSV"),
        (gzip.compress(LINE.encode() * 3_000)[:-50] + b"\0" * 40, "not gzip"),
    ],
)
def test_what_is_no_text_ends_in_a_plain_sentence(
    run: Run, tmp_path: Path, content: bytes, reason: str
) -> None:
    file = tmp_path / "deployments.jsonl"
    file.write_bytes(content)
    result = run("import", "deployments", str(file))
    assert (result.exit_code, "Traceback" in result.output) == (1, False)
    assert reason in result.stderr


def test_the_lines_before_a_file_breaks_off_are_imported(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "deployments.jsonl.gz"
    lines = [json.dumps({**DEPLOYMENT, "version": f"v{number}"}) + "\n" for number in range(700)]
    file.write_bytes(gzip.compress("".join(lines).encode())[:-8])
    result = run("import", "deployments", str(file))
    assert result.exit_code == 1
    assert "ends too early" in result.stderr
    # All but those of the last piece that is read, and more than are written together.
    assert 512 < len(exported(run)) < 700


def test_instants_may_be_date_times(run: Run) -> None:
    created = {"created_at": "2025-10-01 10:06:00.5 UTC"}
    run("import", "deployments", "-", given=json.dumps({**DEPLOYMENT, **created}).encode())
    [kept] = exported(run)
    assert (kept["started_at"], kept["finished_at"] - STARTED_NS) == (STARTED_NS, 300 * 10**9)
    assert kept["created_at"] - STARTED_NS == 360_500_000_000
    failure = {"services": ["web"], **{name: DEPLOYMENT[name] for name in ("started_at", "env")}}
    assert run("import", "failures", "-", given=json.dumps(failure).encode()).exit_code == 0
    assert exported(run, "failures")[0]["started_at"] == STARTED_NS


@pytest.mark.parametrize(
    "instant", ["2025-10-01T10:00:00", "yesterday", "1969-12-31T00:00:00Z", "9999-01-01T00:00:00Z"]
)
def test_a_text_that_is_no_instant_is_refused(run: Run, instant: str) -> None:
    document = {**DEPLOYMENT, "started_at": instant}
    result = run("import", "deployments", "-", given=json.dumps(document).encode())
    assert result.exit_code == 1
    assert "/started_at: attribute" in result.stderr
    assert "a date-time with an offset, such as 2025-10-01T10:00:00Z" in result.stderr


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("name", ["deployments.csv", "deployments.CSV.gz", "-"])
def test_a_table_is_imported_and_empty_cells_are_absent(
    run: Run, tmp_path: Path, name: str, encoding: str
) -> None:
    content = TABLE.replace(",", ";").replace("\n", "\r\n").encode(encoding)
    if name == "-":
        result = run("import", "deployments", "--format", "csv", "-", given=content)
    else:
        file = tmp_path / name
        file.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        result = run("import", "deployments", str(file))
    assert result.exit_code == 0, result.output
    [kept] = exported(run)
    assert (kept["version"], kept["started_at"]) == ("1.0", STARTED_NS)
    assert "git" not in kept
    assert "commit_sha" not in kept


def test_problems_of_a_table_name_line_and_column(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "events.csv"
    file.write_text(
        "App,Start,finished_at,commit_sha,repository_url,color\n"
        'web,yesterday,1759312800,"abc",x/y,red\n'
        ",1759312800,1759312800,,,red\n"
        "web,1759312800,1759312800,,,red\n"
    )
    mapped = ("--map", "service=app", "--map", "started_at=start")
    result = run("import", "deployments", *mapped, str(file))
    assert result.exit_code == 1
    assert result.stdout.startswith("1 added, 0 replaced, 0 unchanged, 2 rejected")
    _, told, first, second = result.stderr.splitlines()
    assert told == f'{file}: column "color" is not read'
    assert first.startswith(f'{file}:2, column "Start": attribute "started_at" must be')
    assert f'{file}:2, column "commit_sha": attribute "commit_sha" must be 40' in first
    assert second == f'{file}:3, column "App": attribute "service" is required'


def test_a_table_without_what_is_needed_is_refused_at_once(run: Run) -> None:
    result = run("import", "deployments", "--format=csv", "-", given=b"app,start\nweb,1\n")
    assert result.exit_code == 1
    assert 'there is no column "service"' in result.stderr
    result = run("import", "deployments", "--format=csv", "--map", "service", "-", given=b"app\n")
    assert "write MEMBER=COLUMN" in result.stderr


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        ("failures", 'services,started_at\n"web,cart",1759312800\n'),
        ("commits", f"repository,sha,author_time\nx/y,{'a' * 40},2025-10-01T10:00:00Z\n"),
        ("pull-requests", "repository,number,merged_at\nx/y,12,2025-10-01T10:00:00Z\n"),
    ],
)
def test_every_kind_may_come_as_a_table(run: Run, kind: str, table: str) -> None:
    result = run("import", kind, "--format", "csv", "-", given=table.encode())
    assert result.stdout.startswith("1 added"), result.output


def test_unknown_members_are_counted_and_what_was_meant_is_suggested(run: Run) -> None:
    fine = {**DEPLOYMENT, "git": {"commit_sha": "a" * 40, "repository_url": "x/y", "sha": "b"}}
    lines = [
        {"sevice": "web", **fine},
        {**fine, "sevice": "b", "version": "2"},
        {**fine, "e\x1b": 1},
    ]
    given = "".join(json.dumps(line) + "\n" for line in lines).encode()
    result = run("import", "deployments", "-", given=given)
    assert result.exit_code == 0
    assert result.stderr.splitlines() == [
        'unknown member "git.sha" in 3 lines',
        'unknown member "sevice" in 2 lines (did you mean "service"?)',
        'unknown member "e\N{REPLACEMENT CHARACTER}" in 1 line',
    ]


def test_unknown_members_without_end_are_told_briefly(run: Run) -> None:
    lines = [{**DEPLOYMENT, **{f"m{n}-{at}": 1 for at in range(20)}} for n in range(60)]
    given = "".join(json.dumps(line) + "\n" for line in lines).encode()
    told = run("import", "deployments", "-", given=given).stderr.splitlines()
    assert (len(told), told[-1]) == (21, "980 more unknown members")


@pytest.mark.parametrize("kind", ["deployments", "failures"])
def test_what_is_exported_has_no_unknown_members(run: Run, kind: str) -> None:
    attributes = {**DEPLOYMENT, "services": ["web"], "team": "a", "custom_tags": ["a:b"]}
    if kind == "deployments":
        attributes |= {"commit_sha": "a" * 40, "repository_url": "x/y"}
        del attributes["services"]
    else:
        del attributes["service"]
    run("import", kind, "-", given=json.dumps(attributes).encode())
    result = run("import", kind, "-", given=run("export", kind).stdout.encode())
    assert (result.stdout, result.stderr) == (
        "0 added, 0 replaced, 1 unchanged, 0 rejected\n",
        "",
    )
