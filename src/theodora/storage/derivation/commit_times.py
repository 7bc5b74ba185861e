"""Durations of each deployment's commits, which metrics read beside its row, and its derivation.

Derivation writes them together with the row. The lead time and the stages of each commit lie
in one text of bytes, seven integers of 64 bits a commit, little-endian, nanoseconds; -1 is
for a stage that is not known. Commits with a negative lead time are only counted, beside them.
Who wrote the commits lies in a table of its own, which the metrics do not read.
"""

import sys
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from hashlib import blake2b
from operator import attrgetter
from typing import LiteralString

import msgspec
import numpy as np
from msgspec.structs import astuple

from theodora.dora.derivation.derived import Changes, ShippedRequest
from theodora.dora.derivation.stages import STAGES, Stages
from theodora.dora.metrics.columns import UNKNOWN_NS, Ints
from theodora.storage.derivation.shipped_commits import encode_shipped
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation

_DROP: tuple[LiteralString, ...] = (
    "DELETE FROM deployment_measures WHERE org = ? AND deployment = ?",
    "DELETE FROM deployment_commits WHERE org = ? AND deployment = ?",
)
_SPAN_BYTES = 8
_WIDTH = 1 + len(STAGES)
_spans_of = attrgetter(*STAGES)
_NO_STAGES = Stages()


class Measured(msgspec.Struct, frozen=True, dict=True):
    """The measured durations of a deployment's commits, and the commits."""

    spans: bytes
    """Empty where none has a lead time."""
    negative_spans: int
    """How many commits are newer than the deployment."""
    commits: str = ""
    """See `encode_shipped`; empty where none is counted."""
    shipped: tuple[ShippedRequest, ...] = ()
    """The pull requests that it was the first to ship."""
    in_production: bool = False
    """Whether that was to production; False if there are none."""
    derivation: bytes = b""
    """The record of its derivation."""

    @cached_property
    def digest(self) -> int:
        """Another number for other values; 0 for none."""
        if self == _NOTHING:
            return 0
        hashed = blake2b(self.spans, digest_size=8)
        if self.negative_spans:
            hashed.update(b" %d" % self.negative_spans)
        hashed.update(self.commits.encode())
        if self.shipped:
            hashed.update(repr((self.in_production, *map(astuple, self.shipped))).encode())
        if self.derivation:
            hashed.update(b" " + self.derivation)
        return int.from_bytes(hashed.digest(), "big", signed=True)


_NOTHING = Measured(b"", 0)


def measured(changes: Changes, derivation: bytes = b"", *, in_production: bool = False) -> Measured:
    """The durations in `changes`, with the record of the derivation.

    `in_production` is whether the deployment was to production.
    """
    spans = array("q")
    for commit in changes.commits:
        if commit.lead_time_ns is not None:
            spans.append(commit.lead_time_ns)
            spans.extend(_encoded(commit.stages or _NO_STAGES))
    negative_spans = sum("negative_span" in commit.flags for commit in changes.commits)
    return Measured(
        _little_endian(spans).tobytes(),
        negative_spans,
        encode_shipped(changes),
        changes.shipped,
        in_production and bool(changes.shipped),
        derivation,
    )


def decode_spans(encoded: Sequence[bytes | None]) -> tuple[Ints, Ints]:
    """Of several deployments: how many commits each has, and a row for each commit.

    The row has the lead time and the stages, `UNKNOWN_NS` for one that is not known.
    """
    counts = [len(each) // (_WIDTH * _SPAN_BYTES) if each else 0 for each in encoded]
    spans = np.frombuffer(b"".join(filter(None, encoded)), "<i8").reshape(-1, _WIDTH)
    return np.array(counts, np.int64), spans


def spans_of_commits(encoded: bytes) -> Iterator[tuple[int, Stages]]:
    """The lead time and the stages of each commit of one deployment, in nanoseconds."""
    _, rows = decode_spans([encoded])
    for lead_time_ns, *stages in rows.tolist():
        yield lead_time_ns, Stages(*(None if each == UNKNOWN_NS else each for each in stages))


def write_measured(cursor: Cursor, org: Organisation, found: Mapping[int, Measured]) -> None:
    """Replaces the durations of deployments, by the keys of their rows."""
    for statement in _DROP:
        cursor.executemany(statement, [(org.key, deployment) for deployment in found])
    cursor.executemany(
        "INSERT INTO deployment_measures "
        "(org, deployment, spans, negative_spans, derivation, digest) VALUES (?, ?, ?, ?, ?, ?)",
        [
            (
                *(org.key, deployment, each.spans, each.negative_spans),
                *(each.derivation or None, each.digest),
            )
            for deployment, each in found.items()
            if each.digest
        ],
    )
    cursor.executemany(
        "INSERT INTO deployment_commits (org, deployment, commits) VALUES (?, ?, ?)",
        [(org.key, deployment, each.commits) for deployment, each in found.items() if each.commits],
    )


def drop_measured(cursor: Cursor, org: Organisation, deployment: int) -> None:
    for statement in _DROP:
        cursor.execute(statement, (org.key, deployment))


def _encoded(stages: Stages) -> Iterable[int]:
    spans: tuple[int | None, ...] = _spans_of(stages)
    return [UNKNOWN_NS if span is None else span for span in spans]


def _little_endian(spans: "array[int]") -> "array[int]":
    if sys.byteorder == "big":
        spans.byteswap()
    return spans
