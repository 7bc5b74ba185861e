"""Path globs."""

import time

import pytest

from theodora.dora.derivation.path_globs import PathFilter


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("apps/web/**", "apps/web/index.ts"),
        ("apps/web/**", "apps/web/pages/a/b.ts"),
        ("apps/*/index.ts", "apps/web/index.ts"),
        ("a/**/b", "a/b"),
        ("a/**/b", "a/x/y/b"),
        ("**/Makefile", "Makefile"),
        ("**/Makefile", "apps/web/Makefile"),
        ("?.md", "a.md"),
        ("**", "any/thing"),
        ("a[1].txt", "a[1].txt"),
        ("a+b.txt", "a+b.txt"),
    ],
)
def test_a_glob_matches(glob, path):
    assert PathFilter([glob]).matches([path])


@pytest.mark.parametrize(
    ("glob", "path"),
    [
        ("apps/*", "apps/web/index.ts"),
        ("apps/web/**", "apps/webshop/index.ts"),
        ("apps/web/**", "apps/web"),
        ("?.md", "/.md"),
        ("*.md", "docs/a.md"),
        ("a.txt", "abtxt"),
        ("README.md", "readme.md"),
        ("web", "apps/web"),
    ],
)
def test_a_glob_does_not_match(glob, path):
    assert not PathFilter([glob]).matches([path])


def test_an_excluded_path_does_not_match():
    ours = PathFilter(["libs/**", "!libs/generated/**"])
    assert ours.matches(["libs/money.py"])
    assert not ours.matches(["libs/generated/money.py"])


def test_one_matching_path_is_enough():
    assert PathFilter(["libs/**"]).matches(["docs/a.md", "libs/money.py"])


def test_the_order_of_globs_does_not_matter():
    assert not PathFilter(["!docs/**", "**"]).matches(["docs/a.md"])


def test_globs_that_only_exclude_leave_everything_else_in():
    ours = PathFilter(["!docs/**"])
    assert ours.matches(["src/a.py"])
    assert not ours.matches(["docs/a.md"])


def test_no_paths_match_nothing():
    assert not PathFilter(["**"]).matches([])


@pytest.mark.parametrize(
    "glob", ["*a" * 60 + "b", "**/" * 60 + "b", "*" * 200, "**a" * 60 + "!", "?*" * 90]
)
def test_no_glob_takes_longer_than_the_path_is_long(glob: str):
    ours = PathFilter([glob, f"x/{glob}", "!" + glob])
    began = time.thread_time()
    for path in ("a" * 4_000, "a/" * 2_000, "é" * 4_000):
        ours.matches([path])
    assert time.thread_time() - began < 2
