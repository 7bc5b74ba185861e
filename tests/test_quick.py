"""`make quick` finds the tests of a change."""

from pathlib import Path

from quick import ALWAYS, PAGES, SLOW, choose

TESTS = Path(__file__).parent


def test_a_module_is_tested_by_the_test_of_its_name_and_those_that_import_it() -> None:
    changed = [Path("src/theodora/storage/retention.py"), Path("src/theodora/storage/open.py")]
    found = choose(changed, 1_000).chosen
    assert found[: len(ALWAYS) + 1] == [*ALWAYS, "tests/storage/test_retention.py"]
    assert "tests/storage/metrics/test_columns.py" in found


def test_a_module_without_a_test_of_its_name_is_tested_by_those_of_its_folder() -> None:
    found = choose([Path("src/theodora/storage/search/planner.py")], 1_000).chosen
    assert {"tests/storage/search/test_plans.py", "tests/storage/search/test_lists.py"} < {*found}
    assert "tests/storage/search/test_search_agreement.py" not in found


def test_a_package_is_tested_by_those_that_import_from_it() -> None:
    found = choose([Path("src/theodora/report/charts/__init__.py")], 1_000).chosen
    assert "tests/report/test_annotations.py" in found


def test_of_too_many_tests_the_farthest_are_left_out() -> None:
    changed = [Path("src/theodora/errors.py"), Path("src/theodora/storage/retention.py")]
    everything = choose(changed, 1_000).chosen
    some = choose(changed, 10)
    assert some.chosen == everything[: len(ALWAYS) + 10]
    assert [*some.chosen, *some.left_out] == everything
    assert some.chosen[len(ALWAYS)] == "tests/storage/test_retention.py"


def test_the_tests_of_a_module_that_all_import_are_of_all_folders() -> None:
    chosen = choose([Path("src/theodora/errors.py")], 9).chosen[len(ALWAYS) :]
    assert len({Path(each).parent for each in chosen}) == 9


def test_tests_and_pages_that_have_changed_are_always_tested() -> None:
    changed = ("tests/storage/search/test_paging.py", "tests/asking.py", "docs/search.md")
    removed = "tests/storage/test_that_was_removed.py"
    assert choose([*map(Path, changed), Path(removed)], 0).chosen == [
        *ALWAYS,
        *("tests/storage/search/test_paging.py", "tests/query/test_reference.py"),
    ]


def test_every_test_that_is_named_exists() -> None:
    assert all((TESTS.parent / each).exists() for each in (*ALWAYS, *PAGES.values()))
    assert {each.name for each in TESTS.rglob("test_*.py")} >= SLOW
