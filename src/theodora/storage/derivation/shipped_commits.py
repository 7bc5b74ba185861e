"""The commits that a deployment counts, as a text beside its row, which AI impact reads.

Derivation writes it together with their durations. An author is in the text once, however many
commits are theirs, so that it is short, and so that one can be replaced.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import msgspec

from theodora.dora.assistance.shipped import ShippedCommit
from theodora.dora.derivation.authorship import Authorship
from theodora.dora.derivation.derived import Changes

_NOBODY = -1


class _Commit(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """One commit. Whoever has a lead time has it among the spans, in this order."""

    author: int
    """The place among the authors."""
    day: int | None
    has_lead_time: bool
    request: int | None
    tools: tuple[str, ...]
    is_bot: bool


class _Commits(msgspec.Struct, frozen=True, array_like=True):
    authors: tuple[str, ...]
    commits: tuple[_Commit, ...]
    cycle_times_ns: tuple[tuple[int, int], ...]
    """Pairs of the number of a request and its cycle time, by these commits."""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Commits).decode


class DecodedCommits(NamedTuple):
    """The decoded text."""

    commits: tuple[ShippedCommit, ...]
    cycle_times_ns: Mapping[int, int]


def encode_shipped(changes: Changes) -> str:
    """The text of a deployment's commits; empty for none."""
    if not changes.commits:
        return ""
    authors: dict[str, int] = {}
    cycles_ns: dict[int, int] = {}
    commits: list[_Commit] = []
    for each in changes.commits:
        by = each.authorship
        author = authors.setdefault(by.author, len(authors)) if by.author else _NOBODY
        has_lead_time = each.lead_time_ns is not None
        number, until_ns = each.pull_request, each.until_merge_ns
        commits.append(_Commit(author, by.day, has_lead_time, number, by.tools, by.is_bot))
        if number is not None and until_ns is not None:
            cycles_ns[number] = max(until_ns, cycles_ns.get(number, until_ns))
    found = _Commits(tuple(authors), tuple(commits), tuple(sorted(cycles_ns.items())))
    return _encode(found).decode()


def decode_shipped(text: str, lead_times_ns: Sequence[int]) -> DecodedCommits:
    """What `encode_shipped` wrote, with the lead times in the same order."""
    found = _decode(text)
    spans = iter(lead_times_ns)
    commits = tuple(
        ShippedCommit(
            Authorship(
                "" if each.author == _NOBODY else found.authors[each.author],
                each.day,
                each.tools,
                each.is_bot,
            ),
            next(spans) if each.has_lead_time else None,
            each.request,
        )
        for each in found.commits
    )
    return DecodedCommits(commits, dict(found.cycle_times_ns))
