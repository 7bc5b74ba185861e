"""The annotations that concern the charts of a page, as flags and as a list."""

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

from theodora.events.annotations import Annotation
from theodora.query import Query
from theodora.report.charts import Flag
from theodora.report.scope import Scope
from theodora.report.subjects import may_concern
from theodora.storage import Organisation, Store

MOST_FLAGS = 9
"""So that a number has one digit, and a page stays short."""
_MOST_READ = 500


class ChartAnnotations(NamedTuple):
    """The newest annotations of a period, in order of time."""

    flags: Sequence[Flag] = ()
    has_more: bool = False
    """Whether there are earlier ones in the period."""


def annotations_of(
    store: Store, org: Organisation, scope: Scope, tree: Query | None = None
) -> ChartAnnotations:
    """Those that may concern what the charts of `scope` show, or those of a narrower `tree`."""
    period, asked = scope.period, scope.tree if tree is None else tree
    read = store.annotations.newest(org, _MOST_READ, period.start_ns, period.end_ns)
    if not read:
        return ChartAnnotations()
    production = store.settings.production_envs(org)
    teams = store.settings.teams(org)
    concerning = (
        each.content
        for each in read
        if may_concern(asked, each.content, production, teams) is not False
    )
    found = list(islice(concerning, MOST_FLAGS + 1))
    shown = sorted(found[:MOST_FLAGS], key=lambda each: (each.at_ns, each.id))
    flags = [_flag(each, number) for number, each in enumerate(shown, 1)]
    return ChartAnnotations(flags, has_more=len(found) > MOST_FLAGS)


def _flag(content: Annotation, number: int) -> Flag:
    about = ", ".join(value for value in content.about.values() if value)
    words = f"{content.text} ({about})" if about else content.text
    return Flag(content.at_ns, number, words, f"#annotation-{number}")
