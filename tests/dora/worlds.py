"""Random small worlds: histories of commits with forks and merges, and deployments of them."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec
from hypothesis import strategies as st

from theodora.dora.derivation.commits import Commit, PullRequest, Repository
from theodora.dora.derivation.overrides import GivenRemediation, Override
from theodora.dora.derivation.rule_engine import STATED_ROLLBACK
from theodora.dora.derivation.sequence import DeploymentSequence
from theodora.dora.derivation.settings import ServiceSettings
from theodora.events import Deployment, Failure, Git

REPOSITORY = "example.org/app"
HOUR_NS = 3_600 * 10**9
START_NS = 1_772_400_000 * 10**9

TITLES = ("Add cart", "Tune search", "Drop legacy")
PATHS = ("web/a.ts", "pay/b.py", "docs/c.md")
REGIONS = ("region:eu", "region:us")


def _title(original: str, reverts: int, number: int | None) -> str:
    title = original
    for _ in range(reverts):
        title = f'Revert "{title}"'
    return f"{title} (#{number})" if number else title


titles = st.builds(
    _title,
    st.sampled_from(TITLES),
    st.sampled_from([0, 0, 0, 1, 1, 2, 3]),
    st.none() | st.integers(1, 9),
)

hours = st.sampled_from([*range(24), 61 * 24, 62 * 24]).map(lambda hour: START_NS + hour * HOUR_NS)
"""Of one day, and of two others more than 60 days later."""


# Strategies that each world uses are made once: hypothesis validates and labels each new one.
_up_to_2, _up_to_3, _up_to_5 = st.integers(0, 2), st.integers(0, 3), st.integers(0, 5)
_sometimes_hours = st.none() | hours
_flags = st.booleans()
_graph_sizes = st.integers(1, 14)
_deployment_counts = st.integers(3, 10)
_changed_paths = st.none() | st.lists(st.sampled_from(PATHS), max_size=2).map(tuple)
_authors = st.sampled_from(["", "Ada", "bot[bot]"])
_originals = st.lists(st.integers(0, 4), max_size=3, unique=True)
_versions = st.none() | st.sampled_from(["v1", "v2", "v3"])


@cache
def _one_of(values: Sequence[Any]) -> st.SearchStrategy[Any]:
    return st.sampled_from(values)


@cache
def _up_to_two_of(values: Sequence[Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(_one_of(values), max_size=2)


def _graph(draw: st.DrawFn) -> dict[str, Commit]:
    """Commits c0, c1, …: mostly one after another, with forks, merges and missing parents."""
    commits: dict[str, Commit] = {}
    for index in range(draw(_graph_sizes)):
        author_time_ns = draw(hours) - 3 * HOUR_NS
        commits[f"c{index}"] = Commit(
            sha=f"c{index}",
            parents=draw(_parents(tuple(commits))),
            author_time_ns=author_time_ns,
            commit_time_ns=author_time_ns + draw(_up_to_5) * HOUR_NS,
            subject=draw(titles),
            paths=draw(_changed_paths),
            author_name=draw(_authors),
        )
    return commits


@cache
def _parents(known: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
    if not known:
        return st.just(())
    any_two = st.lists(st.sampled_from([*known, "missing"]), max_size=2, unique=True).map(tuple)
    return st.one_of(st.just((known[-1],)), st.just((known[-1],)), any_two)


def _pull_requests(draw: st.DrawFn, commits: dict[str, Commit]) -> tuple[PullRequest, ...]:
    """Some with their commits in the graph, some with originals of their own."""
    shas = tuple(sorted(commits))
    made: list[PullRequest] = []
    for number in range(1, draw(_up_to_3) + 1):
        own = [
            Commit(sha=f"o{name}", author_time_ns=draw(hours), commit_time_ns=START_NS)
            for name in draw(_originals)
        ]
        held = [commits[sha] for sha in draw(_up_to_two_of(shas))]
        made.append(
            PullRequest(
                number=number,
                title=draw(titles),
                labels=draw(_one_of(((), ("Hotfix",)))),
                merge_commit_sha=draw(_one_of(shas)),
                merge_method=draw(_one_of((None, "merge", "squash", "squash"))),
                commits=(*own, *held),
                created_at_ns=draw(_sometimes_hours),
                ready_at_ns=draw(_sometimes_hours),
                last_approved_at_ns=draw(_sometimes_hours),
                merged_at_ns=draw(_sometimes_hours),
            )
        )
    return tuple(made)


def _deployments(draw: st.DrawFn, shas: Sequence[str]) -> tuple[Deployment, ...]:
    made: list[Deployment] = []
    for index in range(draw(_deployment_counts)):
        finished_at_ns = draw(hours)
        sha = draw(_one_of((*shas, *shas, "unknown", None)))
        made.append(
            Deployment(
                id=f"d{index:02}",
                service="app",
                env="production",
                version=draw(_versions),
                started_at_ns=finished_at_ns - draw(_up_to_2) * HOUR_NS,
                finished_at_ns=finished_at_ns,
                git=Git(sha, f"https://{REPOSITORY}") if sha else None,
                custom_tags=draw(_one_of(((), ("rework:true",)))),
            )
        )
    return tuple(made)


settings = st.builds(
    ServiceSettings,
    path_globs=st.sampled_from([(), ("web/**", "pay/*"), ("!docs/**",)]),
    exclude_authors=st.sampled_from([(), (), ("*[bot]",)]),
    exclude_labels=st.sampled_from([(), (), ("hotfix",)]),
    lead_time_clock=st.sampled_from(["author_time", "commit_time"]),
    lead_time_gap_days=st.sampled_from([60, 60, 0, 1]),
    detect_rollbacks=st.sampled_from([True, True, False]),
    rollback_lookback=st.none() | st.integers(1, 4),
    incident_marks_failure=st.booleans(),
)


@cache
def _overrides(ids: Sequence[str]) -> st.SearchStrategy[tuple[Override, ...]]:
    some_id = st.sampled_from([*ids, "elsewhere"])
    given = st.builds(
        GivenRemediation,
        type=st.sampled_from(["rollback", "rollforward"]),
        id=some_id,
    ) | st.builds(
        GivenRemediation,
        type=st.sampled_from(["rollback", "rollforward"]),
        version=st.sampled_from(["v1", "v9"]),
    )
    override = st.builds(
        Override,
        deployment_id=some_id,
        change_failure=st.sampled_from([None, True, False]),
        remediation=st.none() | given,
        at_ns=hours,
    )
    return st.lists(override, max_size=3).map(tuple)


@cache
def _incidents(shas: Sequence[str]) -> st.SearchStrategy[tuple[Failure, ...]]:
    incident = st.builds(
        Failure,
        id=st.sampled_from(["i1", "i2"]),
        services=st.just(("app",)),
        env=st.sampled_from([None, "production", "staging"]),
        version=st.sampled_from([None, "v2"]),
        git=st.none() | st.builds(Git, st.sampled_from(shas), st.just(f"https://{REPOSITORY}")),
        started_at_ns=hours,
    )
    return st.lists(incident, max_size=2).map(tuple)


some_stated = st.sampled_from([(), (), (), ("d00", "d03")])


@st.composite
def sequences(
    draw: st.DrawFn, stated: st.SearchStrategy[Sequence[str]] = some_stated, **fixed: Any
) -> DeploymentSequence:
    """A sequence with everything in it that derivation knows, but for what is `fixed`.

    Those of the ids in `stated` are called rollbacks by their source.
    """
    graph = _graph(draw)
    shas = tuple(sorted(graph))
    called_rollbacks = draw(stated)
    made = tuple(
        msgspec.structs.replace(each, custom_tags=(*each.custom_tags, STATED_ROLLBACK))
        if each.id in called_rollbacks
        else each
        for each in _deployments(draw, shas)
    )
    ids = tuple(each.id for each in made)
    repository = Repository(
        commits=graph,
        pull_requests=_pull_requests(draw, graph),
        has_commit_source=draw(_flags),
    )
    facts: dict[str, Any] = {
        "settings": draw(settings),
        "overrides": draw(_overrides(ids)),
        "incidents": draw(_incidents(shas)),
    }
    return DeploymentSequence(
        deployments=made, repositories={REPOSITORY: repository}, **(facts | fixed)
    )


@st.composite
def divided_sequences(draw: st.DrawFn, **fixed: Any) -> DeploymentSequence:
    """The same of a service whose deployments are divided by their region, or several, or none."""
    sequence = draw(sequences(**fixed))
    return msgspec.structs.replace(
        sequence,
        deployments=tuple(
            msgspec.structs.replace(
                each, custom_tags=(*each.custom_tags, *draw(_up_to_two_of(REGIONS)))
            )
            for each in sequence.deployments
        ),
        settings=msgspec.structs.replace(sequence.settings, sequence_tag="region"),
    )


any_sequences = st.one_of(sequences(), divided_sequences())
