"""`make quick` finds the tests of a change."""

from pathlib import Path

from quick import ALWAYS, PAGES, SLOW, relevant

TESTS = Path(__file__).parent


def test_a_module_is_tested_by_the_test_of_its_name_and_those_that_import_it() -> None:
    changed = [Path("src/theodora/storage/retention.py"), Path("src/theodora/storage/open.py")]
    found = relevant(changed)
    assert found[: len(ALWAYS) + 1] == [*ALWAYS, "tests/storage/test_retention.py"]
    assert "tests/storage/metrics/test_columns.py" in found


def test_a_module_without_a_test_of_its_name_is_tested_by_those_of_its_folder() -> None:
    found = relevant([Path("src/theodora/storage/search/planner.py")])
    assert {"tests/storage/search/test_plans.py", "tests/storage/search/test_lists.py"} < {*found}
    assert "tests/storage/search/test_search_agreement.py" not in found


def test_tests_and_pages_that_have_changed_are_tested() -> None:
    changed = ("tests/storage/search/test_paging.py", "tests/asking.py", "docs/search.md")
    removed = "tests/storage/test_that_was_removed.py"
    assert relevant([*map(Path, changed), Path(removed)]) == [
        *ALWAYS,
        *("tests/storage/search/test_paging.py", "tests/query/test_reference.py"),
    ]


def test_every_test_that_is_named_exists() -> None:
    assert all((TESTS.parent / each).exists() for each in (*ALWAYS, *PAGES.values()))
    assert {each.name for each in TESTS.rglob("test_*.py")} >= SLOW
