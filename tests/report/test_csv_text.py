"""CSV: what is written is what is read, and nothing of it is a formula."""

import csv
import io
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodora.report.csv_text import csv_bytes

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
numbers = st.one_of(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def read(body: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(body.decode(), newline=""), strict=True))


@given(st.lists(st.tuples(texts, numbers, texts), max_size=5))
def test_every_text_and_number_comes_back(rows: list[tuple[str, float, str]]):
    found = read(csv_bytes(("a", "b", "c"), rows))
    assert found[0] == ["a", "b", "c"]
    for given_row, row in zip(rows, found[1:], strict=True):
        assert [row[0], row[2]] == [_safe(given_row[0]), _safe(given_row[2])]
        if not math.isinf(given_row[1]):
            assert type(given_row[1])(row[1]) == given_row[1]


def _safe(text: str) -> str:
    for separator in ",;|\t\r\n":
        pieces = text.split(separator)
        text = separator.join(
            [pieces[0], *(f"'{each}" if _acts(each) else each for each in pieces[1:])]
        )
    return f"'{text}" if text.startswith(FORMULA) else text


def _acts(piece: str) -> bool:
    return piece.lstrip().lstrip("\"'").lstrip().startswith(("=", "+", "-", "@"))


SEPARATORS = (",", ";", "|", "\t", "\r", "\n")


@pytest.mark.parametrize("separator", SEPARATORS)
@pytest.mark.parametrize("start", ["=", "+", "-", "@", " =", '"=', ' "=', "'="])
def test_no_text_holds_a_formula_after_a_separator(separator: str, start: str):
    (_, (cell,)) = read(csv_bytes(("a",), [(f"web{separator}{start}1+1",)]))
    assert f"web{separator}'{start}1+1" == cell.removeprefix("'")


def test_separators_without_a_formula_stay_as_they_are():
    (_, (cell,)) = read(csv_bytes(("a",), [("web, api; a-b 1+1|x=y",)]))
    assert cell == "web, api; a-b 1+1|x=y"


@given(texts)
def test_no_text_begins_like_a_formula(text: str):
    ((name,), (cell,)) = read(csv_bytes((text or "a",), [(text or "a",)]))
    assert not cell.startswith(FORMULA)
    assert not name.startswith(FORMULA)


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        (None, ""),
        (True, "true"),
        (0, "0"),
        (-1.5, "-1.5"),
        (1 / 3, "0.3333333333333333"),
        ("a,b", '"a,b"'),
        ('a"b', '"a""b"'),
        ("-1", "'-1"),
        ("(none)", "(none)"),
    ],
)
def test_a_cell_is_written_as_json_has_it_or_quoted(cell: object, written: str):
    assert csv_bytes(("a", "b"), [(cell, 1)]) == f"a,b\r\n{written},1\r\n".encode()  # type: ignore[list-item]
