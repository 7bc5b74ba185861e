"""A parser of commit objects."""

import re
from typing import NamedTuple

from theodora.dora import Commit
from theodora.errors import Invalid, Problem
from theodora.events.values import SECOND_NS

_TREE = re.compile(rb"tree ([0-9a-f]{40,64})")
_PARENT = re.compile(rb"parent ([0-9a-f]{40,64})")
_INSTANT = re.compile(rb"(?:author|committer) .*> (\d{1,18}) ([+-])(\d+)")
_CLOCK = re.compile(rb"(\d\d)([0-5]\d)")
_AUTHOR = re.compile(rb"author ([^<]*)<([^>]*)>.*")
_ENCODING = re.compile(
    rb"encoding (iso-?8859-\d+|latin-?1|(?:windows-|cp)125\d|euc-(?:jp|kr)|shift_jis|gbk?|gb18030"
    rb"|big5|koi8-[ru])",
    re.IGNORECASE,
)
"""Encodings that commits have been seen in, besides UTF-8; not all that Python knows are safe."""

_WHITE_SPACE = " \t\r\n"
"""White space for git, a subset of Unicode's."""
_MAX_SECONDS = (2**63 - 1) // SECOND_NS
_MOST_HOURS = 14
"""That a clock is away from UTC."""
_MAX_SUBJECT_CHARACTERS = 1_000
_MAX_MESSAGE_CHARACTERS = 65_536
_MAX_NAME_CHARACTERS = 255


class CommitObject(NamedTuple):
    """A commit, its changed paths not known yet, and the SHA of its tree."""

    commit: Commit
    tree: str


def read_commit(sha: str, data: bytes) -> CommitObject:
    """The commit that an object describes; `Invalid` for one without a tree.

    An instant that is 0 or cannot be read becomes None; one never replaces the other.
    """
    header, _, body = data.partition(b"\n\n")
    lines = header.split(b"\n")
    tree = _TREE.fullmatch(lines[0])
    if not tree:
        raise Invalid(Problem(f"commit {sha} has no tree"))
    parents = [match[1].decode() for line in lines[1:] if (match := _PARENT.fullmatch(line))]
    message = _text(body, lines)
    author_name, author_email = _author(lines)
    return CommitObject(
        Commit(
            sha=sha,
            parents=tuple(parents),
            author_time_ns=_instant(lines, b"author "),
            author_offset_minutes=_offset_minutes(lines),
            commit_time_ns=_instant(lines, b"committer "),
            subject=subject_of(message),
            message=message,
            author_name=author_name,
            author_email=author_email,
        ),
        tree[1].decode(),
    )


def subject_of(message: str) -> str:
    """A message's first paragraph on one line, as `git log --format=%s` shows it."""
    lines: list[str] = []
    for line in message.lstrip("\n").split("\n"):
        if not line.strip(_WHITE_SPACE):
            if lines:
                break
            continue
        lines.append(line.rstrip(_WHITE_SPACE))
    return " ".join(lines)[:_MAX_SUBJECT_CHARACTERS]


def _instant(lines: list[bytes], role: bytes) -> int | None:
    for line in lines:
        if line.startswith(role):
            match = _INSTANT.fullmatch(line)
            seconds = int(match[1]) if match else 0
            return seconds * SECOND_NS if 0 < seconds < _MAX_SECONDS else None
    return None


def _offset_minutes(lines: list[bytes]) -> int | None:
    """How far the author's clock is ahead; None where no clock of the world is so far."""
    found = (_INSTANT.fullmatch(line) for line in lines if line.startswith(b"author "))
    match = next(found, None)
    clock = _CLOCK.fullmatch(match[3]) if match else None
    if not match or not clock or int(clock[1]) > _MOST_HOURS:
        return None
    minutes = int(clock[1]) * 60 + int(clock[2])
    return -minutes if match[2] == b"-" else minutes


def _author(lines: list[bytes]) -> tuple[str, str]:
    """Name and address; empty where the line cannot be read."""
    found = (_AUTHOR.fullmatch(line) for line in lines if line.startswith(b"author "))
    match = next(found, None)
    if match is None:
        return "", ""
    name, email = (_text(part, lines).strip(_WHITE_SPACE) for part in match.groups())
    return name[:_MAX_NAME_CHARACTERS], email[:_MAX_NAME_CHARACTERS]


def _text(body: bytes, lines: list[bytes]) -> str:
    """A message or a name in the encoding its commit names; what cannot be read is marked."""
    named = [match[1].decode() for line in lines if (match := _ENCODING.fullmatch(line))]
    try:
        text = body.decode(named[0] if named else "utf-8", errors="replace")
    except LookupError:
        text = body.decode(errors="replace")
    return text.partition("\0")[0].rstrip("\n")[:_MAX_MESSAGE_CHARACTERS]
