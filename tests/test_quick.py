"""`make quick` finds the tests of a change."""

from pathlib import Path

from quick import ALWAYS, relevant


def test_a_module_is_tested_by_the_test_of_its_name() -> None:
    changed = [
        *(Path("src/theodora/storage/retention.py"), Path("src/theodora/report/scope.py")),
        *(Path("tests/storage/search/test_lists.py"), Path("tests/asking.py"), Path("README.md")),
        Path("tests/storage/test_that_was_removed.py"),
    ]
    assert relevant(changed) == [
        *ALWAYS,
        *("tests/storage/test_retention.py", "tests/report/test_scope.py"),
        "tests/storage/search/test_lists.py",
    ]
