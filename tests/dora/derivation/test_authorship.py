"""What commits say of their authors, of assistants and of bots."""

import pytest

from theodora.dora import Commit
from theodora.dora.derivation.authorship import (
    ASSISTANTS,
    Authorship,
    authorship_of,
    bots_named,
    evidence_of,
)
from theodora.events.values import DAY_NS

NOON_NS = DAY_NS // 2


def commit(message: str = "", name: str = "Ann", email: str = "ann@example.org") -> Commit:
    return Commit(
        sha="a" * 40,
        author_time_ns=NOON_NS,
        commit_time_ns=NOON_NS,
        message=message,
        author_name=name,
        author_email=email,
    )


@pytest.mark.parametrize(
    ("line", "tools"),
    [
        ("Co-authored-by: Copilot <198982749+Copilot@users.noreply.github.com>", ("copilot",)),
        ("co-authored-by : Cursor <cursoragent@CURSOR.com>  ", ("cursor",)),
        ("CO-AUTHORED-BY: Gemini 3 Pro <noreply@example.com>", ("gemini",)),
        ("Co-authored-by: aider (gpt-5) <no-reply@example.com>", ("aider",)),
        ("Co-authored-by: Devin <1+devin-ai[bot]@users.noreply.github.com>", ("devin",)),
        ("Co-authored-by: GitHub Copilot", ("copilot",)),
        ("Assisted-by: Codex:gpt-5.3 sparse", ("codex",)),
        ("Generated-by: GPT-5", ("codex",)),
        ("Assisted-by: Cursor\nCo-authored-by: Copilot", ("copilot", "cursor")),
        # People may be called like assistants.
        ("Co-authored-by: Cursor Smith <smith@example.org>", ()),
        ("Co-authored-by: Gemini Jones", ()),
        ("Assisted-by: Gemini Jones <jones@example.org>", ()),
        ("Assisted-by: jones@example.org", ()),
        ("Co-authored-by: Ann <noreply@example.com>", ()),
        ("Assisted-by: Geminids", ()),
        ("Reviewed-by: Cursor <cursoragent@cursor.com>", ()),
        ("This is not Co-authored-by: Copilot", ()),
        ("Co-authored-by:", ()),
    ],
)
def test_trailers_name_assistants_of_the_table(line: str, tools: tuple[str, ...]):
    found = authorship_of(commit(f"Add a thing\n\n{line}\nSigned-off-by: Ann"))
    assert found == Authorship("ann@example.org", 0, tools)


@pytest.mark.parametrize(
    ("name", "email", "expected"),
    [
        ("Ann", "Ann@Example.org ", Authorship("ann@example.org", 0)),
        ("", "", Authorship("", 0)),
        ("Copilot", "198982749+Copilot@users.noreply.github.com", Authorship("", 0, ("copilot",))),
        ("cursor[bot]", "7+cursor[bot]@users.noreply.github.com", Authorship("", 0, ("cursor",))),
        (
            "dependabot[bot]",
            "support@dependabot.com",
            Authorship("support@dependabot.com", 0, (), is_bot=True),
        ),
        (
            "x",
            "project_12_bot_9f@noreply.example.org",
            Authorship("project_12_bot_9f@noreply.example.org", 0, (), is_bot=True),
        ),
        ("renovate[bot]", "", Authorship("", 0, (), is_bot=True)),
        ("Renovate Smith", "r@example.org", Authorship("r@example.org", 0)),
    ],
)
def test_authors_are_people_assistants_or_bots(name: str, email: str, expected: Authorship):
    """An assistant is nobody who could be counted among people."""
    assert authorship_of(commit(name=name, email=email)) == expected


@pytest.mark.parametrize(
    ("name", "email", "is_bot"),
    [
        (" Release Robot ", "x@example.org", True),
        ("Ann", "DEPLOY@ci.example.org", True),
        ("Ann", "ann@example.org", False),
        ("Release Robot 2", "", False),
        ("", "", False),
        ("dependabot[bot]", "", True),
        ("Codex", "noreply@example.org", False),
    ],
)
def test_an_organisation_names_bots_of_its_own(name: str, email: str, is_bot: bool):
    """By complete names and addresses; an assistant stays one."""
    bots = bots_named(("release robot", "*@ci.example.org", "codex"))
    assert authorship_of(commit(name=name, email=email), bots).is_bot is is_bot


def test_a_list_that_cannot_be_used_names_no_bots():
    assert bots_named(()) is bots_named(tuple(f"{n}" + "?x" * 90 for n in range(200))) is None


@pytest.mark.parametrize(("minutes", "day"), [(None, 0), (719, 0), (720, 1), (-720, 0), (-721, -1)])
def test_the_day_is_that_of_the_authors_clock(minutes: int | None, day: int):
    authored = Commit(
        sha="a" * 40, author_time_ns=NOON_NS, commit_time_ns=0, author_offset_minutes=minutes
    )
    assert authorship_of(authored).day == day


def test_a_commit_without_a_readable_date_has_no_day():
    assert authorship_of(Commit(sha="a" * 40, author_time_ns=None, commit_time_ns=0)).day is None


def test_the_evidence_names_what_was_read():
    found = evidence_of(
        commit(
            "Add\n\nCo-Authored-By: Cursor <cursoragent@cursor.com>\nAssisted-by: Codex",
            email="copilot@github.com",
        )
    )
    assert [(each.assistant.title, each.source) for each in found] == [
        ("GitHub Copilot", "author"),
        ("Cursor", "Co-Authored-By"),
        ("Codex", "Assisted-by"),
    ]


def test_each_assistant_has_a_name_of_its_own():
    names = [name.lower() for each in ASSISTANTS for name in (each.title, *each.names)]
    assert len(set(names)) == len(names)
    assert len({each.tool for each in ASSISTANTS}) == len(ASSISTANTS)
