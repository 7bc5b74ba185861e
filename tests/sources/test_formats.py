"""The table of formats: which format a file has, and what the documentation says of them."""

from pathlib import Path

import pytest

from theodora.sources.formats import FORMATS, format_of, formats_of

PAGE = Path(__file__).parents[2] / "docs" / "import.md"


@pytest.mark.parametrize("format_", FORMATS, ids=lambda each: each.name)
def test_the_documentation_lists_every_format(format_):
    assert f"\n| `{format_.name}` |" in PAGE.read_text(), f"add {format_.name} to docs/import.md"


def test_the_first_format_is_the_default():
    assert format_of("events", None) is FORMATS[0]
    assert "verdicts" in FORMATS[0].kinds


@pytest.mark.parametrize("file", ["a.csv", "A.TSV", "a.csv.gz"])
def test_the_name_of_a_file_suggests_its_format(file: str):
    assert format_of(file, None).name == "csv"
    assert format_of(file, "jsonl").name == "jsonl"


def test_verdicts_come_only_as_json_lines():
    assert formats_of("verdicts") == ["jsonl"]
    assert formats_of("failures")[:2] == ["jsonl", "csv"]
