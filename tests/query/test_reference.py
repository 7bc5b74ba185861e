"""docs/search.md says what the tables and the cases say.

When it lags, write it anew: PYTHONPATH=tests .venv/bin/python tests/query/test_reference.py
"""

import re
from pathlib import Path

import pytest

from cases.search import CONSTRUCTS, ERRORS, ErrorCase
from theodora.query import FIELDS, Field, parse
from theodora.query.fields import Kind
from theodora.query.reference import (
    code,
    fields_table,
    pull_request_fields_table,
    sort_keys_table,
    table,
    with_tables,
)

PAGE = Path(__file__).parents[2] / "docs" / "search.md"
PULL_REQUESTS = PAGE.with_name("pull-requests.md")
_SAMPLES = {"D": "D", "F": "F", "bare": "N"}


def written() -> str:
    """The page as it should be."""
    tables = {
        "constructs": _constructs(),
        "fields": fields_table(),
        "errors": _errors(),
        "sort_keys": sort_keys_table(),
    }
    return with_tables(PAGE.read_text(), tables)


def written_of_pull_requests() -> str:
    """The page of pull requests as it should be."""
    tables = {"pull_request_fields": pull_request_fields_table()}
    return with_tables(PULL_REQUESTS.read_text(), tables)


def _constructs() -> str:
    rows = (
        (
            ", ".join(code(form) if form else "an empty query" for form in construct["construct"]),
            construct["meaning"],
            _examples(construct["matches"]),
            _examples(construct["differs"]),
        )
        for construct in CONSTRUCTS
    )
    return table(("write", "meaning", "finds", "does not find"), rows)


def _examples(examples: list[dict[str, str]]) -> str:
    return "; ".join(
        f"{_SAMPLES[example['event']]}: {code(example['query'])}"
        for example in examples
        if example["query"]
    )


def _errors() -> str:
    """The first example of each kind of message."""
    kinds: dict[str, ErrorCase] = {}
    for error in ERRORS:
        kinds.setdefault(re.sub(r'"(AND|OR|NOT|.|..)"', "", error.message), error)
    rows = [
        (code(error.message), code(error.query), str(error.position)) for error in kinds.values()
    ]
    return table(("message", "for example", "position"), rows)


def test_the_page_has_the_tables_of_today() -> None:
    assert PAGE.read_text() == written()
    assert PULL_REQUESTS.read_text() == written_of_pull_requests()


@pytest.mark.parametrize(
    ("page", "kind"), [(PAGE, Kind.DEPLOYMENT), (PULL_REQUESTS, Kind.PULL_REQUEST)]
)
def test_every_query_shown_in_a_block_can_be_parsed(page: Path, kind: Kind) -> None:
    blocks = re.findall(r"```query\n(.*?)```", page.read_text(), re.DOTALL)
    lines = "".join(blocks).splitlines()
    assert lines
    for line in lines:
        parse(line, kind)


@pytest.mark.parametrize("field", FIELDS, ids=repr)
def test_every_field_is_documented_under_all_its_names(field: Field) -> None:
    page = PAGE.read_text()
    assert all(f"`{name}`" in page for name in (field.name, *field.aliases))


def test_a_place_without_a_table_is_noticed() -> None:
    with pytest.raises(KeyError):
        with_tables("<!-- nothing -->\n<!-- /nothing -->", {})


if __name__ == "__main__":
    PAGE.write_text(written())
    PULL_REQUESTS.write_text(written_of_pull_requests())
