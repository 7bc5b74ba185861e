"""Authorship of commits: whose they are, and which AI assistants they name themselves.

Tables list how assistants and bots are recognised. A person may be called Claude, so beside an
address that may be a person's a name does not count.
"""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import NamedTuple

import msgspec

from theodora.dora.derivation.commits import Commit
from theodora.dora.derivation.name_globs import NameFilter
from theodora.errors import Invalid
from theodora.events.activity import tool_name
from theodora.events.values import DAY_NS, SECOND_NS

_MINUTE_NS = 60 * SECOND_NS


class Assistant(NamedTuple):
    """An AI assistant that commits name."""

    title: str
    names: tuple[str, ...] = ()
    """Further names; a model or a version may follow each."""
    addresses: tuple[str, ...] = ()
    """In lower case; those of GitHub without the number before the login."""

    @property
    def tool(self) -> str:
        """Its name in user activity."""
        return tool_name(self.title)


ASSISTANTS = (
    Assistant("Aider", addresses=("aider@aider.chat",)),
    Assistant("Amazon Q", ("Amazon Q Developer",)),
    Assistant("Amp", ("Sourcegraph Amp",), ("amp@ampcode.com",)),
    Assistant("Claude Code", ("Claude",)),
    Assistant("Codex", ("OpenAI Codex", "ChatGPT", "GPT"), ("codex@openai.com",)),
    Assistant("Cursor", ("Cursor Agent",), ("cursoragent@cursor.com",)),
    Assistant("Devin", ("Devin AI", "Devin AI integration")),
    Assistant("Gemini", ("Gemini CLI", "Gemini Code Assist", "Google Gemini")),
    Assistant(
        "GitHub Copilot",
        ("Copilot", "Copilot SWE agent"),
        ("copilot@github.com", "copilot@users.noreply.github.com"),
    ),
    Assistant("Jules", ("Google Jules", "Google Labs Jules")),
    Assistant("Junie", ("JetBrains Junie",), ("junie@jetbrains.com",)),
    Assistant("opencode"),
    Assistant("OpenHands", addresses=("openhands@all-hands.dev",)),
    Assistant("Windsurf"),
)
"""The assistants that are recognised."""

BOTS = (
    *("support@dependabot.com", "bot@renovateapp.com", "renovate@whitesourcesoftware.com"),
    *("action@github.com", "github-actions@github.com", "snyk-bot@snyk.io"),
    "semantic-release-bot@martynus.net",
)
"""Addresses of programs that are no assistants; any login that ends in `[bot]` is one too."""

_BY_ADDRESS = {address: each for each in ASSISTANTS for address in each.addresses}
_BY_NAME = {name.lower(): each for each in ASSISTANTS for name in (each.title, *each.names)}
_NAMED_FIRST = re.compile(rf"(?:{'|'.join(sorted(_BY_NAME, reverse=True))})(?![^\W_])")
_TRAILERS = ("co-authored-by", "assisted-by", "generated-by")
_ADDRESSED = re.compile(r"([^<>]*)<([^<>]*)>")
_NUMBERED = re.compile(r"\d+\+(.*@users\.noreply\.github\.com)")
_LOGIN = re.compile(r"(.*)\[bot\](@.*)?")
_GITLAB_BOT = re.compile(r"(project|group)_\d+_bot[^@]*@.*")
_NOBODYS = re.compile(r"no-?reply@.*")
"""Addresses that are no person's: beside them the name counts."""


class Authorship(msgspec.Struct, frozen=True, gc=False):
    """Who wrote a commit, and with what."""

    author: str = ""
    """The address in lower case; empty where it is not known, and of an assistant."""
    day: int | None = None
    """The author date, by the clock of the author: days since 1970-01-01."""
    tools: tuple[str, ...] = ()
    """The assistants that the commit names, in order of their names."""
    is_bot: bool = False
    """Whether a program wrote it that is no assistant."""


class Evidence(NamedTuple):
    """What in a commit names an assistant."""

    assistant: Assistant
    source: str
    """The name of the trailer as written, or `author`."""


@lru_cache(maxsize=256)
def bots_named(globs: tuple[str, ...]) -> NameFilter | None:
    """An organisation's own list of bots; None for none, or for what this version cannot use."""
    try:
        return NameFilter(globs, "bots") if globs else None
    except Invalid:
        return None


def authorship_of(commit: Commit, bots: NameFilter | None = None) -> Authorship:
    """Who wrote a commit, by what the commit itself says and an organisation's list of bots."""
    author, is_assistant, is_bot = _author(commit.author_name, commit.author_email)
    is_bot = is_bot or (not is_assistant and _is_listed(bots, commit.author_name, author))
    tools: tuple[str, ...] = ()
    if is_assistant or _may_have_trailers(commit.message):
        tools = tuple(sorted({each.assistant.tool for each in evidence_of(commit)}))
    day = None
    if commit.author_time_ns is not None:
        offset_ns = (commit.author_offset_minutes or 0) * _MINUTE_NS
        day = (commit.author_time_ns + offset_ns) // DAY_NS
    return Authorship(author, day, tools, is_bot)


def are_of_bots(commits: Iterable[Commit], author: str, bots: NameFilter | None = None) -> bool:
    """Whether a bot made all commits of a pull request; if none is known, its author decides.

    `author` is the name by which a host knows who opened it.
    """
    known = [each for each in commits if each.author_name or each.author_email]
    if not known:
        return _author(author, "")[2] or _is_listed(bots, author, "")
    return all(authorship_of(each, bots).is_bot for each in known)


def _is_listed(bots: NameFilter | None, name: str, address: str) -> bool:
    return bots is not None and bots.matches((name.strip(), address))


def evidence_of(commit: Commit) -> Iterator[Evidence]:
    """Everything in a commit that names an assistant: its author, then its trailers in order."""
    if assistant := _assistant_at(commit.author_name, commit.author_email):
        yield Evidence(assistant, "author")
    for line in commit.message.splitlines():
        trailer, _, value = line.partition(":")
        name = trailer.rstrip().lower()
        if name in _TRAILERS:
            assistant = _assistant_in(value.strip(), is_person_likely=name == "co-authored-by")
            if assistant:
                yield Evidence(assistant, trailer.rstrip())


def _may_have_trailers(message: str) -> bool:
    return "-by" in message or "-By" in message or "-BY" in message


@lru_cache(maxsize=4_096)
def _author(name: str, email: str) -> tuple[str, bool, bool]:
    """The address of a person or bot, and whether that is an assistant or a bot."""
    address = email.strip().lower()
    if _assistant_at(name, address):
        return "", True, False
    is_bot = (
        _without_number(address) in BOTS
        or _GITLAB_BOT.fullmatch(address) is not None
        or any(_LOGIN.fullmatch(each) for each in (address, name.strip().lower()))
    )
    return address, False, is_bot


def _assistant_in(value: str, *, is_person_likely: bool) -> Assistant | None:
    """The assistant in a trailer's value: `Cursor <cursoragent@cursor.com>` or `Codex:gpt-5`."""
    addressed = _ADDRESSED.match(value)
    if addressed:
        return _assistant_at(*addressed.groups())
    if "@" in value:
        return _assistant_at("", value)
    if is_person_likely:
        return _BY_NAME.get(_plain(value))
    return _named_first(value)


@lru_cache(maxsize=4_096)
def _assistant_at(name: str, email: str) -> Assistant | None:
    address = _without_number(email.strip().lower())
    login = _LOGIN.fullmatch(address)
    if login:
        return _named_first(login[1].replace("-", " "))
    if _NOBODYS.fullmatch(address):
        return _named_first(name)
    return _BY_ADDRESS.get(address)


def _named_first(text: str) -> Assistant | None:
    """The assistant whose name a text begins with."""
    first = _NAMED_FIRST.match(_plain(text))
    return _BY_NAME[first[0]] if first else None


def _plain(name: str) -> str:
    return " ".join(name.lower().split())


def _without_number(address: str) -> str:
    """`1+name@users.noreply.github.com` → `name@users.noreply.github.com`."""
    numbered = _NUMBERED.fullmatch(address)
    return numbered[1] if numbered else address
