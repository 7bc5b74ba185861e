"""Explanations of deployments, from what derivation has stored.

The commits of a deployment depend on every one before it, and its verdict on those after it. So
what derivation found is stored with each. Where anything has changed since then, the complete
sequence is derived; likewise where a tag divides it, as its parts do not lie together.
"""

from functools import partial
from typing import NamedTuple

import msgspec

from theodora.dora import Derived, Repository, ServiceSettings
from theodora.dora.derivation.authorship import authorship_of, bots_named
from theodora.dora.derivation.explanation import NamedCommits
from theodora.dora.derivation.name_globs import NameFilter
from theodora.dora.derivation.sequence import DeploymentSequence
from theodora.dora.derivation.settings import usable
from theodora.errors import NotFound
from theodora.events import Deployment
from theodora.storage.derivation.derivation_record import decode_record, derived_of
from theodora.storage.derivation.neighbours import read_place
from theodora.storage.derivation.parked import is_parked
from theodora.storage.derivation.sequence_cache import SequenceCache
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.database import Database
from theodora.storage.engine.organisations import Organisation
from theodora.storage.events.rows import Rows, Stored
from theodora.storage.facts.commits import load, load_some
from theodora.storage.facts.derivation_queue import SequenceKey, is_waiting
from theodora.storage.facts.match_keys import match_keys
from theodora.storage.facts.settings import effective_settings


class Explained(NamedTuple):
    """A deployment with its derivation and the inputs of that."""

    derived: Derived
    preceding: Deployment | None
    """The one before it in its sequence."""
    following: Deployment | None
    """The one after it."""
    repository: Repository | None
    """With the commits that the derivation names, and one at least if it has any; likewise pull
    requests."""
    settings: ServiceSettings


class Explanations:
    """Every method may be called from any thread."""

    def __init__(self, database: Database, rows: Rows[Deployment], cache: SequenceCache) -> None:
        self._database = database
        self._rows = rows
        self._cache = cache

    def explain(self, org: Organisation, id_: str) -> Explained:
        """Raises `NotFound` if there is no deployment with this id."""
        found = self._database.read(partial(self._read, org, id_))
        if isinstance(found, Explained):
            return found
        key, sequence = found
        # A parked sequence is explained as well, without the rules that park it.
        settings = usable(sequence.settings)
        derived = self._cache.derive(key, msgspec.structs.replace(sequence, settings=settings))
        position = derived.positions[id_]
        found, after = derived.deployments[position], derived.deployments[position + 1 :][:1]
        git = found.deployment.git
        return Explained(
            found,
            derived.deployments[position - 1].deployment if found.position else None,
            after[0].deployment if after and after[0].position else None,
            sequence.repositories.get(sequence.keys.key(git.repository_id)) if git else None,
            sequence.settings,
        )

    def _read(
        self, org: Organisation, id_: str, cursor: Cursor
    ) -> Explained | tuple[SequenceKey, DeploymentSequence]:
        """The explanation, or what to derive it from."""
        stored = self._rows.find(cursor, org, id_)
        if stored is None:
            raise NotFound("deployment does not exist")
        key = SequenceKey(org, stored.event.service, stored.event.env)
        if not is_waiting(cursor, key) and not is_parked(cursor, key):
            explained = _read_explained(cursor, key, stored)
            if explained is not None:
                return explained
        facts, _ = self._cache.read(cursor, key)
        return key, facts.sequence


def _read_explained(
    cursor: Cursor, key: SequenceKey, stored: Stored[Deployment]
) -> Explained | None:
    """The explanation of what was derived last; None if it was not stored."""
    settings = effective_settings(cursor, key.org, key.service)
    row = cursor.execute(
        "SELECT derivation, spans FROM deployment_measures WHERE org = ? AND deployment = ?",
        (key.org.key, stored.key),
    ).fetchone()
    if settings.sequence_tag is not None or row is None or row[0] is None:
        return None
    record = decode_record(row[0])
    place = read_place(cursor, key, stored, record.tie)
    derived = derived_of(record, bytes(row[1]), stored.event, place.position, settings)
    repository = _repository_of(cursor, key.org, derived)
    if repository is not None:
        derived = _with_authorship(derived, repository, bots_named(settings.bots))
    return Explained(derived, place.preceding, place.following, repository, settings)


def _with_authorship(derived: Derived, repository: Repository, bots: NameFilter | None) -> Derived:
    known = NamedCommits(repository)
    commits = tuple(
        msgspec.structs.replace(each, authorship=authorship_of(commit, bots)) if commit else each
        for each in derived.changes.commits
        for commit in (known.of(each.sha, each.pull_request),)
    )
    changes = msgspec.structs.replace(derived.changes, commits=commits)
    return msgspec.structs.replace(derived, changes=changes)


def _repository_of(cursor: Cursor, org: Organisation, derived: Derived) -> Repository | None:
    """Of the deployment's repository what the explanation names."""
    git, changes = derived.deployment.git, derived.changes
    if git is None:
        return None
    keys = match_keys(cursor, org)
    name = keys.key(git.repository_id)
    named = [(each.sha, each.pull_request) for each in changes.commits]
    named += [(each.sha, None) for each in changes.left_out]
    numbers = sorted({number for _, number in named if number is not None})
    found = load_some(cursor, org, keys, name, [sha for sha, _ in named], numbers)
    known = NamedCommits(found)
    # An original that does not count may be of any pull request.
    if all(known.exactly(*each) for each in named):
        return found
    return load(cursor, org, keys, name)
