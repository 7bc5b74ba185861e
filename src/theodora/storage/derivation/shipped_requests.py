"""The pull requests that each deployment was the first to ship, as derivation writes them."""

from collections.abc import Mapping
from typing import LiteralString, NamedTuple

from theodora.dora.derivation.derived import ShippedRequest
from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.organisations import Organisation
from theodora.storage.facts.commits import joined_repositories
from theodora.storage.facts.match_keys import match_keys

_DROP: LiteralString = "DELETE FROM pull_request_deployments WHERE org = ? AND deployment = ?"
_LINK: LiteralString = """
INSERT INTO pull_request_deployments (org, repository, number, deployment, in_production)
SELECT org, repository, number, CAST(? AS BIGINT), CAST(? AS INTEGER) FROM pull_requests
WHERE org = ? AND repository = ? AND number = ? AND EXISTS (
  SELECT 1 FROM pull_request_elements x WHERE x.org = pull_requests.org
  AND x.repository = pull_requests.repository AND x.number = pull_requests.number
  AND x.field = 'commit_sha' AND (x.value = ? OR CAST(? AS TEXT) IS NULL))
"""
"""By the merge commit too: after a move to another host a number may be two requests'."""


class ShippedBatch(NamedTuple):
    """What a deployment shipped, and where from."""

    repository_id: str
    requests: tuple[ShippedRequest, ...]
    in_production: bool


def write_shipped(cursor: Cursor, org: Organisation, found: Mapping[int, ShippedBatch]) -> None:
    """Replaces what deployments shipped, by the keys of their rows."""
    cursor.executemany(_DROP, [(org.key, deployment) for deployment in found])
    some = {deployment: each for deployment, each in found.items() if each.requests}
    if not some:
        return
    keys = match_keys(cursor, org)
    ids = {each.repository_id for each in some.values()}
    rows = {id_: [key for key, _ in joined_repositories(cursor, org, keys, id_)] for id_ in ids}
    cursor.executemany(
        _LINK,
        [
            (deployment, int(each.in_production), org.key, row, request.number, sha, sha)
            for deployment, each in some.items()
            for row in rows[each.repository_id]
            for request in each.requests
            for sha in (request.merge_commit_sha,)
        ],
    )


def drop_shipped(cursor: Cursor, org: Organisation, deployment: int) -> None:
    cursor.execute(_DROP, (org.key, deployment))
