"""Patterns of rules, and how titles are compared."""

import pytest

from theodora.dora.derivation.rules import (
    DEFAULT_LINKED_RULES,
    DEFAULT_STATIC_RULES,
    LinkedPattern,
    LinkedRule,
    StaticPattern,
    StaticRule,
    plain_title,
    problems,
    revert_wrappings,
    subject_number,
)
from theodora.errors import Invalid

REVERT = LinkedPattern(DEFAULT_LINKED_RULES[0])


def linked(pattern: str) -> LinkedPattern:
    return LinkedPattern(LinkedRule("rule", ("commit_subject",), pattern))


@pytest.mark.parametrize(
    ("subject", "captured"),
    [
        ('Revert "Add cart"', "Add cart"),
        ('Revert "Add cart" (#13)', "Add cart"),
        ('  Revert "Add cart"  ', "Add cart"),
        ('Revert "Add cart (#11)" (#13)', "Add cart"),
        ('Revert "Say "hello""', 'Say "hello"'),
        ('Revert "Revert "Add cart" (#13)" (#14)', 'Revert "Add cart"'),
    ],
)
def test_a_revert_names_the_title_it_reverts(subject, captured):
    assert REVERT.captures(subject) == (captured,)


@pytest.mark.parametrize(
    "subject", ["Add cart", 'revert "Add cart"', 'Revert "Add cart" for now', 'Revert ""']
)
def test_the_whole_value_must_match_in_its_own_case(subject):
    assert REVERT.captures(subject) == ()


def test_a_number_may_be_captured_with_or_without_the_trailing_one():
    assert linked(r"Fix .*#$pr_number").captures("Fix totals of #12 (#34)") == ("12",)
    assert linked(r".*\(#$pr_number\)").captures("Fix totals (#34)") == ("34",)
    assert linked("Undo $pr_number").captures("Undo it") == ()


def test_the_variable_may_stand_among_groups_of_the_users_own():
    assert linked("(fix|mend)-(?P<what>.*)-of-$version").captures("mend-cart-of-1.4") == ("1.4",)


@pytest.mark.parametrize(
    ("title", "is_relanding"),
    [
        ("Add cart", False),
        ('Revert "Add cart"', False),
        ('Revert "Revert "Add cart""', True),
        ('Revert "Revert "Add cart" (#1)" (#2)', True),
        ('Revert "Revert "Revert "Add cart"""', False),
    ],
)
def test_an_even_number_of_reverts_is_a_relanding(title, is_relanding):
    assert REVERT.is_relanding(title) == is_relanding


def test_only_titles_can_reland():
    assert not linked("Revert .*$version").is_relanding('Revert "Revert "1.4""')


def test_wrappings_are_counted_at_the_start_alone():
    assert revert_wrappings(' Revert "Revert "Undo Revert "x"""') == 2


@pytest.mark.parametrize("text", ["hotfix/cart", "HOTFIX", "A Hotfix for totals"])
def test_a_static_rule_is_searched_without_regard_to_case(text):
    assert StaticPattern(DEFAULT_STATIC_RULES[0]).found_in(text)


def test_titles_are_compared_trimmed_and_without_their_number():
    assert plain_title("  Add cart (#11) ") == "Add cart"
    assert plain_title("Add cart(#11)") == "Add cart(#11)"
    assert plain_title("Add cart (#11) again") == "Add cart (#11) again"
    assert plain_title("Add cart (again)") == "Add cart (again)"


@pytest.mark.parametrize(
    ("subject", "number"),
    [
        ("Add cart (#11)", "11"),
        ("Add cart (#11) ", "11"),
        ("Merge pull request #12 from acme/cart", "12"),
        ("Add cart #11", None),
        ("(#11) Add cart", None),
    ],
)
def test_a_subject_tells_its_pull_request(subject, number):
    assert subject_number(subject) == number


@pytest.mark.parametrize(
    ("rule", "place", "detail"),
    [
        (LinkedRule("r", (), "x $version"), "/fields", "at least one field"),
        (LinkedRule("r", ("version", "colour"), "$version"), "/fields/1", "must be one of"),
        (LinkedRule("r", ("version",), "hotfix"), "/pattern", "exactly one of"),
        (LinkedRule("r", ("version",), "$version of $pr_title"), "/pattern", "exactly one of"),
        (LinkedRule("r", ("version",), "($version"), "/pattern", "not a regular expression"),
        (
            LinkedRule("r", ("version",), "a $version(?!b)"),
            "/pattern",
            "at character 11, look-",
        ),
        (LinkedRule("r", ("version",), "(?=a) $version"), "/pattern", "at character 1, look-"),
        (
            LinkedRule("r", ("version",), "fix $version|hotfix.*"),
            "/pattern",
            "match without $version",
        ),
        (LinkedRule("r", ("version",), "(fix $version)?"), "/pattern", "match without $version"),
        (LinkedRule("r", ("version",), "[$version]"), "/pattern", "match without $version"),
        (LinkedRule("r", ("version",), "(?P<captured>a)$version"), "/pattern", "a group called"),
        (StaticRule("r", ("version",), "a{1001}"), "/pattern", "at character 2, a repetition"),
        (StaticRule("r", ("version",), "["), "/pattern", "not a regular expression"),
    ],
)
def test_an_unusable_rule_is_refused_with_the_place(rule, place, detail):
    (problem,) = problems(rule)
    assert problem.pointer == place
    assert detail in problem.detail
    with pytest.raises(Invalid, match="/"):
        (LinkedPattern if isinstance(rule, LinkedRule) else StaticPattern)(rule)


def test_the_default_rules_are_usable():
    assert [problems(rule) for rule in DEFAULT_LINKED_RULES + DEFAULT_STATIC_RULES] == [(), (), ()]


@pytest.mark.parametrize(
    ("pattern", "value", "captured"),
    [
        (
            "revert: $pr_title",
            "revert: feat(cart): add (#7)",
            ("feat(cart): add (#7)", "feat(cart): add"),
        ),
        ("a?Fix $version", "Fix 1", ("1",)),
        ("Fix+ $version", "Fixx 1", ("1",)),
        (r"\[fix\] $version", "[fix] 1", ("1",)),
        ("(?i)fix $version", "FIX 1", ("1",)),
        ("Fix $version", "A Fix 1", ()),
    ],
)
def test_what_a_linked_pattern_begins_with_may_be_anything(pattern, value, captured):
    assert set(linked(pattern).captures(value)) <= set(captured)
    assert bool(linked(pattern).captures(value)) == bool(captured)


@pytest.mark.parametrize(
    ("title", "count"),
    [
        ("feat: add", 0),
        ("revert: feat: add", 1),
        ("revert: revert: feat: add", 2),
        ('Revert "revert: feat: add"', 2),
    ],
)
def test_reverts_of_conventional_commits_are_counted_like_others(title, count):
    assert revert_wrappings(title) == count


def test_a_static_rule_may_end_where_a_message_does():
    assert StaticPattern(StaticRule("r", ("commit_message",), "hotfix$")).found_in("A Hotfix\n")
