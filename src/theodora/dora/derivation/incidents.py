"""Incidents: their identity, and the deployments that they name."""

from collections.abc import Iterable, Iterator, Mapping, Sequence

from theodora.dora.derivation.tags import values_of
from theodora.events import Deployment, Failure, MatchKeys

DEPLOYMENT_TAG = "deployment_id:"
"""Prefix of a custom tag that names a deployment by its id."""


def distinct(incidents: Iterable[Failure]) -> list[Failure]:
    """Each incident once, in its last version: the same id or, without ids, the same occasion.

    Datadog docs: failures are matched by env, services and start. As in the store, an id that is
    given to incidents of other environments or services means several incidents.
    """
    known: dict[tuple[object, ...], list[Failure]] = {}
    for incident in incidents:
        versions = known.setdefault(_identity(incident), [])
        same = [at for at, each in enumerate(versions) if each.shares_id_with(incident)]
        if same:
            best = min(same, key=lambda at: versions[at].place != incident.place)
            versions[best] = incident
        else:
            versions.append(incident)
    return [incident for versions in known.values() for incident in versions]


def incidents_by_deployment(
    incidents: Iterable[Failure],
    deployments: Sequence[Deployment],
    sequence_tag: str | None = None,
    keys: MatchKeys | None = None,
) -> Mapping[str, tuple[Failure, ...]]:
    """The incidents that name a deployment of a sequence, by the deployment's id.

    `incidents` are those of `distinct`. One with values of `sequence_tag` is about deployments
    that share one of them.
    """
    keys = keys or MatchKeys()
    given = sorted(incidents, key=lambda each: (each.started_at_ns, each.id))
    names = _by_name(deployments, keys) if given else {}
    found: dict[str, tuple[Failure, ...]] = {}
    for incident in given:
        named = next((names[name] for name in names_in(incident, keys) if name in names), ())
        running = [each for each in named if _concerns(incident, each, sequence_tag)]
        if running:
            blamed = _begun_by(running, incident.started_at_ns)
            found[blamed.id] = (*found.get(blamed.id, ()), incident)
    return found


Name = tuple[str, ...]


def _by_name(deployments: Iterable[Deployment], keys: MatchKeys) -> Mapping[Name, list[Deployment]]:
    names: dict[Name, list[Deployment]] = {}
    for each in deployments:
        names.setdefault(("id", each.id), []).append(each)
        if each.git:
            sha = ("sha", keys.key(each.git.repository_id), each.git.commit_sha)
            names.setdefault(sha, []).append(each)
        if each.version:
            names.setdefault(("version", each.version), []).append(each)
    return names


def names_in(incident: Failure, keys: MatchKeys) -> Iterator[Name]:
    """The names that the incident has for a deployment, the most exact first."""
    for tag in incident.custom_tags:
        if tag.startswith(DEPLOYMENT_TAG):
            yield "id", tag.removeprefix(DEPLOYMENT_TAG)
    if incident.git:
        yield "sha", keys.key(incident.git.repository_id), incident.git.commit_sha
    if incident.version:
        yield "version", incident.version


def _concerns(incident: Failure, deployment: Deployment, sequence_tag: str | None) -> bool:
    if deployment.service not in incident.services or incident.env not in {None, deployment.env}:
        return False
    values = values_of(incident.custom_tags, sequence_tag) if sequence_tag else set[str]()
    return not values or not values.isdisjoint(
        values_of(deployment.custom_tags, sequence_tag or "")
    )


def _begun_by(deployments: Sequence[Deployment], instant_ns: int) -> Deployment:
    """The last that had begun by then; the first, if clocks disagree and none had."""
    begun = [each for each in deployments if each.started_at_ns <= instant_ns]
    return begun[-1] if begun else deployments[0]


def _identity(incident: Failure) -> tuple[object, ...]:
    if incident.id:
        return (incident.id,)
    return incident.env, frozenset(incident.services), incident.started_at_ns
