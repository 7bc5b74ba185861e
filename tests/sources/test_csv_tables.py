"""Tables with a header as the objects that lines of JSON have."""

import io

import pytest

from theodora.errors import Invalid
from theodora.sources.csv_tables import (
    COMMITS,
    DEPLOYMENTS,
    FAILURES,
    PULL_REQUESTS,
    Columns,
    Table,
)

WEB = {"service": "web", "started_at": 1760000000, "finished_at": "2025-10-09T09:00:00Z"}
HEAD = "service,started_at,finished_at"
ROW = "web,1760000000,2025-10-09T09:00:00Z"


def table(text: str, columns: Columns = DEPLOYMENTS, **mapped: str) -> Table:
    return Table(io.StringIO(text, newline=""), columns, mapped)


def documents(text: str, columns: Columns = DEPLOYMENTS, **mapped: str) -> list[object]:
    return [row.document for row in table(text, columns, **mapped).rows()]


@pytest.mark.parametrize(
    "text",
    [
        f"{HEAD}\n{ROW}\n",
        f"{HEAD}\r\n{ROW}\r\n",
        f"{HEAD}\r{ROW}",
        f"{HEAD};team\n{ROW};\n".replace(",", ";"),
        f"{HEAD}\n{ROW}\n".replace(",", "\t"),
        f"sep=;\r\n{HEAD}\r\n{ROW}\r\n".replace(",", ";"),
        f"\n{HEAD}\n\n{ROW}\n,,\n",
        'Service,"Started At", finished-at\n"web", "1760000000",2025-10-09T09:00:00Z\n',
        f"{HEAD},env,,\n{ROW}\n",
        f"{HEAD},env\n{ROW},  ,,\n",
    ],
    ids=[
        *("plain", "CRLF", "CR", "semicolons", "tabs", "named delimiter", "blank lines"),
        *("other spelling", "shorter row", "empty cells"),
    ],
)
def test_tables_are_read_in_the_forms_that_spreadsheets_write(text: str) -> None:
    assert documents(text) == [WEB]


def test_a_quoted_cell_may_hold_delimiters_quotes_and_line_breaks() -> None:
    text = 'sha,repository,author_time,message\nab,x/y,1760000000,"One, ""two""\n\nthree"\n'
    [row, after] = table(text + "cd,x/y,1760000000,\n", COMMITS).rows()
    assert row.document is not None
    assert row.document["message"] == 'One, "two"\n\nthree'
    assert (row.line, after.line) == (2, 5)


@pytest.mark.parametrize(
    ("cell", "tags"),
    [
        ("a:b", ["a:b"]),
        ('"a:b, c:d e,"', ["a:b", "c:d e"]),
        ("a:b;c:d", ["a:b", "c:d"]),
        ('"a:b\r\nc:d"', ["a:b", "c:d"]),
        ('"[""a:b,c"", ""d:e""]"', ["a:b,c", "d:e"]),
    ],
)
def test_several_tags_stand_in_one_cell(cell: str, tags: list[str]) -> None:
    assert documents(f"{HEAD},tags\n{ROW},{cell}\n") == [{**WEB, "custom_tags": tags}]


def test_each_kind_has_its_own_columns() -> None:
    [failure] = documents('service,started_at\n"web, cart",1760000000\n', FAILURES)
    assert failure == {"services": ["web", "cart"], "started_at": 1760000000}
    [commit] = documents(
        'repository,sha,author_time,parents,paths\nx/y,ab,1760000000,cd ef,"a, b.py\nc.py"\n',
        COMMITS,
    )
    assert isinstance(commit, dict)
    assert (commit["parents"], commit["paths"]) == (["cd", "ef"], ["a, b.py", "c.py"])
    [request] = documents("repository,number,labels\nx/y,12,bug;hotfix\n", PULL_REQUESTS)
    assert request == {"repository": "x/y", "number": 12, "labels": ["bug", "hotfix"]}


def test_a_short_number_is_no_timestamp_but_perhaps_a_date() -> None:
    [row] = documents(f"{HEAD}\nweb,20251001,1760000000\n")
    assert row == {"service": "web", "started_at": "20251001", "finished_at": 1760000000}


def test_an_apostrophe_that_guards_a_formula_is_taken_off() -> None:
    assert documents(f"{HEAD},version,env\n{ROW},'=1+1,'quoted'\n") == [
        {**WEB, "version": "=1+1", "env": "'quoted'"}
    ]


def test_columns_may_be_named_by_hand() -> None:
    text = f"App,{HEAD}\nshop,{ROW}\n"
    mapped = table(text, service="app")
    assert [row.document for row in mapped.rows()] == [{**WEB, "service": "shop"}]
    assert (mapped.column_of("service"), mapped.column_of("env")) == ("App", None)
    assert mapped.unread == ("service",)


@pytest.mark.parametrize(
    ("text", "mapped", "reason"),
    [
        ("", {}, "there is no header"),
        ("service,finished_at\n", {}, 'there is no column "started_at".*--map started_at=COLUMN'),
        (HEAD, {"service": "app"}, 'there is no column "app"; the columns are "service", "st'),
        (f"app,{HEAD}", {"app": "service"}, '"app" is nothing that a column can be for'),
        (f"tags,custom_tags,{HEAD}", {}, 'columns "tags", "custom_tags" are both for "custom_t'),
        ('"service', {}, "the header is not CSV"),
    ],
)
def test_a_header_that_cannot_be_understood_is_refused(
    text: str, mapped: dict[str, str], reason: str
) -> None:
    with pytest.raises(Invalid, match=reason):
        table(text, **mapped)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"{ROW},x", "4 cells, but the header has 3"),
        ('web,"1"2,3', "not CSV: "),
        ("caf\udce9,1760000000,1760000000", "/service: is not UTF-8"),
    ],
)
def test_a_row_that_cannot_be_read_does_not_stop_the_others(row: str, reason: str) -> None:
    first, second = table(f"{HEAD}\n{row}\n{ROW}\n").rows()
    assert str(first.error).startswith(reason)
    assert (first.line, second.line, second.document) == (2, 3, WEB)


def test_columns_that_exports_derive_are_not_told_as_unread() -> None:
    assert table(f"{HEAD},duration,sevice,change_failure\n").unread == ("sevice",)
