"""Random small worlds: histories of commits with forks and merges, and deployments of them."""

from collections.abc import Sequence
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


@st.composite
def graphs(draw: st.DrawFn) -> dict[str, Commit]:
    """Commits c0, c1, …: mostly one after another, with forks, merges and missing parents."""
    commits: dict[str, Commit] = {}
    for index in range(draw(st.integers(1, 14))):
        author_time_ns = draw(hours) - 3 * HOUR_NS
        commits[f"c{index}"] = Commit(
            sha=f"c{index}",
            parents=draw(_parents([*commits])),
            author_time_ns=author_time_ns,
            commit_time_ns=author_time_ns + draw(st.integers(0, 5)) * HOUR_NS,
            subject=draw(titles),
            paths=draw(st.none() | st.lists(st.sampled_from(PATHS), max_size=2).map(tuple)),
        )
    return commits


def _parents(known: Sequence[str]) -> st.SearchStrategy[tuple[str, ...]]:
    if not known:
        return st.just(())
    any_two = st.lists(st.sampled_from([*known, "missing"]), max_size=2, unique=True).map(tuple)
    return st.one_of(st.just((known[-1],)), st.just((known[-1],)), any_two)


@st.composite
def pull_requests(draw: st.DrawFn, commits: dict[str, Commit]) -> tuple[PullRequest, ...]:
    """Some with their commits in the graph, some with originals of their own."""
    shas = sorted(commits)
    made: list[PullRequest] = []
    for number in range(1, draw(st.integers(0, 3)) + 1):
        own = [
            Commit(sha=f"o{name}", author_time_ns=draw(hours), commit_time_ns=START_NS)
            for name in draw(st.lists(st.integers(0, 4), max_size=3, unique=True))
        ]
        held = [commits[sha] for sha in draw(st.lists(st.sampled_from(shas), max_size=2))]
        made.append(
            PullRequest(
                number=number,
                title=draw(titles),
                labels=draw(st.sampled_from([(), ("Hotfix",)])),
                merge_commit_sha=draw(st.sampled_from(shas)),
                merge_method=draw(st.sampled_from([None, "merge", "squash", "squash"])),
                commits=(*own, *held),
                created_at_ns=draw(st.none() | hours),
                ready_at_ns=draw(st.none() | hours),
                last_approved_at_ns=draw(st.none() | hours),
                merged_at_ns=draw(st.none() | hours),
            )
        )
    return tuple(made)


@st.composite
def deployments(draw: st.DrawFn, shas: Sequence[str]) -> tuple[Deployment, ...]:
    made: list[Deployment] = []
    for index in range(draw(st.integers(3, 10))):
        finished_at_ns = draw(hours)
        sha = draw(st.sampled_from([*shas, *shas, "unknown", None]))
        made.append(
            Deployment(
                id=f"d{index:02}",
                service="app",
                env="production",
                version=draw(st.none() | st.sampled_from(["v1", "v2", "v3"])),
                started_at_ns=finished_at_ns - draw(st.integers(0, 2)) * HOUR_NS,
                finished_at_ns=finished_at_ns,
                git=Git(sha, f"https://{REPOSITORY}") if sha else None,
                custom_tags=draw(st.sampled_from([(), ("rework:true",)])),
            )
        )
    return tuple(made)


settings = st.builds(
    ServiceSettings,
    path_globs=st.sampled_from([(), ("web/**", "pay/*"), ("!docs/**",)]),
    lead_time_clock=st.sampled_from(["author_time", "commit_time"]),
    lead_time_gap_days=st.sampled_from([60, 60, 0, 1]),
    detect_rollbacks=st.sampled_from([True, True, False]),
    rollback_lookback=st.none() | st.integers(1, 4),
    incident_marks_failure=st.booleans(),
)


def overrides(ids: Sequence[str]) -> st.SearchStrategy[tuple[Override, ...]]:
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


def incidents(shas: Sequence[str]) -> st.SearchStrategy[tuple[Failure, ...]]:
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
    graph = draw(graphs())
    shas = sorted(graph)
    called_rollbacks = draw(stated)
    made = tuple(
        msgspec.structs.replace(each, custom_tags=(*each.custom_tags, STATED_ROLLBACK))
        if each.id in called_rollbacks
        else each
        for each in draw(deployments(shas))
    )
    ids = [each.id for each in made]
    repository = Repository(
        commits=graph,
        pull_requests=draw(pull_requests(graph)),
        has_commit_source=draw(st.booleans()),
    )
    facts: dict[str, Any] = {
        "settings": draw(settings),
        "overrides": draw(overrides(ids)),
        "incidents": draw(incidents(shas)),
    }
    return DeploymentSequence(
        deployments=made, repositories={REPOSITORY: repository}, **(facts | fixed)
    )


@st.composite
def divided_sequences(draw: st.DrawFn, **fixed: Any) -> DeploymentSequence:
    """The same of a service whose deployments are divided by their region, or several, or none."""
    sequence = draw(sequences(**fixed))
    regions = st.lists(st.sampled_from(["region:eu", "region:us"]), max_size=2)
    return msgspec.structs.replace(
        sequence,
        deployments=tuple(
            msgspec.structs.replace(each, custom_tags=(*each.custom_tags, *draw(regions)))
            for each in sequence.deployments
        ),
        settings=msgspec.structs.replace(sequence.settings, sequence_tag="region"),
    )


any_sequences = st.one_of(sequences(), divided_sequences())
