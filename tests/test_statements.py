"""What is read of statements, so that none on a tenant's table leaves out its organisation."""

from typing import Any

import pytest

from statements import MAY_NAME_NONE, STORAGE, WATCH, unrestricted
from theodora.storage import Store
from theodora.storage.facts import commits

_POSTED = "SELECT event FROM deployment_postings WHERE org = ? AND term = ?"
_FOUND = "SELECT key FROM deployments WHERE org = ? AND id = ?"
_FIRST = "SELECT min(term) FROM deployment_postings WHERE org = ?1"
_KEY = "SELECT ?1, coalesce(max(key), 0) + 1 FROM repositories"


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 1 FROM commits WHERE org = ? AND repository = ?",
        "SELECT 1 FROM commits WHERE (+org = ?1 AND (received = 1 OR paths IS NULL))",
        "SELECT 1 FROM deployments e, commits c WHERE e.org = ? AND c.org = e.org",
        "SELECT (SELECT 1 FROM commits c WHERE c.org = r.org) FROM repositories r WHERE r.org = ?",
        "SELECT k.id FROM keys k JOIN organisations o USING (org) WHERE o.org = ?",
        "SELECT 1 FROM verdicts v LEFT JOIN deployments r ON r.org = v.org WHERE v.org = ?1",
        f"SELECT 1 FROM ({_POSTED}) p CROSS JOIN deployments e ON e.key = p.event AND e.org = ?",
        (
            f"SELECT 1 FROM ({_POSTED}) p CROSS JOIN LATERAL "
            "(SELECT * FROM deployments e WHERE e.key = p.event AND e.org = ? OFFSET 0) e"
        ),
        (
            "SELECT 1 FROM counters c LEFT JOIN deployments e "
            f"ON +e.org = c.org AND e.key IN ({_FOUND}) WHERE c.org = ? AND c.name = 'receipt'"
        ),
        (
            "WITH asked (org, term) AS (VALUES (?, ?)) SELECT term FROM asked a WHERE EXISTS ("
            "SELECT 1 FROM deployment_postings p WHERE p.org = a.org AND p.term = a.term)"
        ),
        (
            f"WITH RECURSIVE found (term) AS ({_FIRST} UNION ALL SELECT ({_FIRST} AND term > "
            "found.term) FROM found WHERE found.term IS NOT NULL) SELECT term FROM found"
        ),
        (
            "DELETE FROM refusals WHERE org = ?1 AND (key_id, kind) NOT IN ("
            "SELECT key_id, kind FROM refusals WHERE org = ?1)"
        ),
        "UPDATE deployments SET team = ? WHERE key = ? AND org = ?",
        (
            "INSERT INTO verdicts (org, deployment) VALUES (?, ?) "
            "ON CONFLICT (org, deployment) DO UPDATE SET reason = excluded.reason"
        ),
        f"INSERT INTO repositories (org, key) {_KEY} WHERE org = ?1 ON CONFLICT DO NOTHING",
        "SELECT uuid FROM organisations",
    ],
)
def test_an_organisation_is_followed_to_every_table(statement: str) -> None:
    assert unrestricted(statement) == frozenset()


@pytest.mark.parametrize(
    ("statement", "table"),
    [
        ("SELECT 1 FROM commits WHERE repository = ?", "commits"),
        ("SELECT 1 FROM commits WHERE org = ? OR sha = ?", "commits"),
        ("SELECT 1 FROM commits WHERE NOT (org = ?)", "commits"),
        ("SELECT 1 FROM commits WHERE coalesce(org = ?, FALSE)", "commits"),
        ("SELECT 1 FROM commits WHERE org <> ?", "commits"),
        ("SELECT 1 FROM commits WHERE subject = 'org = ?'", "commits"),
        ("SELECT 1 FROM deployments e, commits c WHERE e.org = ?", "commits"),
        ("SELECT (SELECT 1 FROM commits) FROM repositories r WHERE r.org = ?", "commits"),
        ("SELECT k.id FROM keys k JOIN organisations o USING (org) WHERE k.id = ?", "keys"),
        ("SELECT 1 FROM deployments WHERE key = ?", "deployments"),
        (
            (
                "SELECT 1 FROM (SELECT event FROM deployment_postings) p "
                "CROSS JOIN deployments e ON e.key = p.event AND e.org = ?"
            ),
            "deployment_postings",
        ),
        (f"SELECT 1 FROM ({_POSTED}) p CROSS JOIN deployments e ON e.key = p.event", "deployments"),
        (f"{_POSTED} UNION ALL SELECT key FROM deployments", "deployments"),
        ("SELECT 1 FROM verdicts WHERE org = ? AND id IN (SELECT id FROM failures)", "failures"),
        ("DELETE FROM verdicts WHERE deployment = ?", "verdicts"),
        ("UPDATE deployments SET org = ? WHERE key = ?", "deployments"),
        ("INSERT INTO verdicts (deployment) VALUES (?)", "verdicts"),
        (f"INSERT INTO repositories (org, key) {_KEY} ON CONFLICT DO NOTHING", "repositories"),
    ],
)
def test_a_table_without_its_organisation_is_found(statement: str, table: str) -> None:
    assert unrestricted(statement) == {table}


def test_the_test_that_sends_such_a_statement_fails(store: Store) -> None:
    # As a function of the store's own, which has its file there.
    planted: dict[str, Any] = {}
    code = "def planted(cursor): cursor.execute('SELECT sha FROM commits').fetchall()"
    exec(compile(code, commits.__file__, "exec"), planted)
    store._database.read(planted["planted"])
    with pytest.raises(AssertionError, match=r"facts/commits\.py:planted on commits: SELECT sha"):
        WATCH.check()
    WATCH.check()


def test_exceptions_are_of_functions_that_there_are() -> None:
    for place in MAY_NAME_NONE:
        path, _, function = place.partition(":")
        assert (STORAGE / path).exists(), place
        name = function.rpartition(".")[2]
        assert not name or f"def {name}(" in (STORAGE / path).read_text(), place
