"""Repositories under several names: forms that are known, aliases, and stores of older versions."""

from contextlib import closing
from typing import Any

import pytest

from actors import TESTER
from settling import STATES
from theodora.dora import Commit, PullRequest
from theodora.events import Deployment, Failure, Git, repository_id
from theodora.query import parse
from theodora.query.fields import Kind, sort_key
from theodora.storage import Organisation, Store
from theodora.storage.events.index import index_some
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.events.usage import differing_usage
from theodora.storage.open import open_database
from theodora.storage.search.planner import Selection

STARTED_AT = sort_key("started_at", Kind.DEPLOYMENT)
assert STARTED_AT
HOUR_NS = 3_600 * 10**9
FIRST, SECOND = "a" * 40, "b" * 40
COMMITS = [
    Commit(sha=FIRST, author_time_ns=HOUR_NS, commit_time_ns=HOUR_NS),
    Commit(sha=SECOND, parents=(FIRST,), author_time_ns=2 * HOUR_NS, commit_time_ns=2 * HOUR_NS),
]
HTTPS, SSH = "https://github.com/Acme/App", "git@ssh.github.com:acme/app.git"
OLD, NEW = "https://git.example.com/old/app", "https://github.com/acme/app"


def deploy(store: Store, org: Organisation, url: str, sha: str, at_hours: int) -> str:
    at_ns = at_hours * HOUR_NS
    git = Git(sha, url)
    event = Deployment(id="", service="web", started_at_ns=at_ns, finished_at_ns=at_ns, git=git)
    return store.deployments.add(org, event, at_ns, actor=TESTER).result().now.event.id


def found_by(query: str) -> Selection:
    return Selection(query=parse(query), sort=STARTED_AT, limit=10)


def commits_of(store: Store, org: Organisation, *ids: str) -> list[int | None]:
    store.derivations.derive_all_queued(actor=TESTER)
    return [store.deployments.get(org, id_).number_of_commits for id_ in ids]


def test_commits_meet_deployments_that_name_the_repository_otherwise(
    store: Store, org: Organisation
) -> None:
    ids = [deploy(store, org, HTTPS, FIRST, 3), deploy(store, org, HTTPS, SECOND, 4)]
    assert commits_of(store, org, *ids) == [None, None]
    store.commits.add_commits(org, repository_id(SSH), COMMITS, actor=TESTER).result()
    assert commits_of(store, org, *ids) == [None, 1]
    assert store.deployments.get(org, ids[0]).git == Git(FIRST, HTTPS)
    found = store.deployments.select(org, found_by("repository_id:github.com/Acme/App"))
    assert len(found) == 2
    assert store.derivations.explain(org, ids[1]).repository is not None


def test_commits_that_come_under_two_names_lie_together(store: Store, org: Organisation) -> None:
    store.commits.add_commits(
        org, repository_id(SSH), COMMITS[:1], received=True, actor=TESTER
    ).result()
    store.commits.add_commits(
        org, repository_id(HTTPS), COMMITS, received=True, actor=TESTER
    ).result()
    (summary,) = store.commits.repositories(org)
    assert (summary.repository_id, summary.commits) == (repository_id(SSH), 2)
    assert store.commits.known(org, repository_id(HTTPS), [SECOND, FIRST]) == [SECOND, FIRST]
    assert store.commits.shas(org, repository_id(HTTPS)) == {FIRST, SECOND}
    assert set(store.commits.without_paths(org, repository_id(HTTPS), 5)) == {FIRST, SECOND}


def test_a_rollback_is_found_across_two_forms_and_baselines_are_not_repeated(
    store: Store, org: Organisation
) -> None:
    store.commits.add_commits(org, repository_id(SSH), COMMITS, actor=TESTER).result()
    ids = [
        deploy(store, org, HTTPS, FIRST, 3),
        deploy(store, org, SSH, SECOND, 4),
        deploy(store, org, HTTPS, FIRST, 5),
    ]
    assert commits_of(store, org, *ids) == [None, 1, 0]
    found = [store.deployments.get(org, id_) for id_ in ids]
    assert [each.lead_time_status for each in found] == ["baseline", None, None]
    assert [each.change_failure for each in found] == [False, True, False]


def test_an_alias_joins_two_repositories_until_it_is_removed(
    store: Store, org: Organisation
) -> None:
    store.commits.add_commits(org, repository_id(OLD), COMMITS[:1], actor=TESTER).result()
    store.commits.add_commits(org, repository_id(NEW), COMMITS[1:], actor=TESTER).result()
    pull_request = PullRequest(number=1, merge_commit_sha=FIRST)
    store.commits.add_pull_requests(org, repository_id(OLD), [pull_request], actor=TESTER).result()
    ids = [deploy(store, org, OLD, FIRST, 3), deploy(store, org, NEW, SECOND, 4)]
    assert commits_of(store, org, *ids) == [None, None]
    assert store.derivations.explain(org, ids[1]).derived.changes.status == "baseline"
    given = {"repository_aliases": {repository_id(OLD): repository_id(NEW)}}
    preview = store.derivations.preview(org, given, "")
    assert [then.number_of_commits for _, then in preview.differing] == [1]
    store.settings.put(org, given, actor=TESTER).result()
    assert store.derivations.explain(org, ids[1]).derived.changes.status == "ok"
    assert commits_of(store, org, *ids) == [None, 1]
    assert store.derivations.explain(org, ids[1]).derived.changes.status == "ok"
    joined = store.commits.repository(org, repository_id(OLD))
    assert set(joined.commits) == {FIRST, SECOND}
    assert joined.pull_requests == (pull_request,)
    store.settings.put(org, {}, actor=TESTER).result()
    assert store.derivations.explain(org, ids[0]).derived.changes.status == "baseline"
    assert commits_of(store, org, *ids) == [None, None]


def test_a_rollback_and_an_incident_are_found_across_an_alias(
    store: Store, org: Organisation
) -> None:
    given = {"repository_aliases": {OLD: NEW}, "incident_marks_failure": True}
    store.settings.put(org, given, actor=TESTER).result()
    ids = [
        deploy(store, org, OLD, FIRST, 3),
        deploy(store, org, NEW, SECOND, 4),
        deploy(store, org, NEW, FIRST, 5),
        deploy(store, org, NEW, "c" * 40, 6),
    ]
    incident = Failure(services=("web",), started_at_ns=7 * HOUR_NS, git=Git("c" * 40, OLD))
    store.failures.add(org, incident, 1, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    found = [store.deployments.get(org, id_) for id_ in ids]
    assert [each.change_failure for each in found] == [False, True, False, True]
    assert found[1].failed_by == "rollback"


def test_commits_of_a_repository_mark_what_an_alias_leads_to(
    store: Store, org: Organisation
) -> None:
    store.settings.put(org, {"repository_aliases": {OLD: NEW}}, actor=TESTER).result()
    ids = [deploy(store, org, NEW, FIRST, 3), deploy(store, org, NEW, SECOND, 4)]
    assert commits_of(store, org, *ids) == [None, None]
    store.commits.add_commits(org, repository_id(OLD), COMMITS, actor=TESTER).result()
    assert commits_of(store, org, *ids) == [None, 1]


def test_another_repository_is_not_joined(store: Store, org: Organisation) -> None:
    store.commits.add_commits(org, "git.example.com/acme/app", COMMITS, actor=TESTER).result()
    name = "https://git.example.com/Acme/App"
    ids = [deploy(store, org, name, FIRST, 3), deploy(store, org, name, SECOND, 4)]
    assert commits_of(store, org, *ids) == [None, None]


_SECRET = "S3CRET"
_DIRTY = f"gitlab-ci-token:{_SECRET}@git.example.com/acme/app.git"
_DIRTY_ID = f"gitlab-ci-token/{_SECRET}@git.example.com/acme/app"


def make_old(url: str) -> None:
    """Names repositories as earlier versions did."""

    def write(cursor: Any) -> None:
        cursor.execute("UPDATE counters SET value = 0 WHERE org = 0 AND name = 'repository_rules'")
        cursor.execute("UPDATE repositories SET match_key = NULL")
        cursor.execute("UPDATE deployments SET number_of_commits = NULL")
        cursor.execute("DELETE FROM deployment_numbers WHERE field = 'number_of_commits'")
        for table in ("deployments", "failures"):
            cursor.execute(f"UPDATE {table} SET repository_id = ?", (_DIRTY_ID,))
        for table in ("deployment_postings", "deployment_words"):
            cursor.execute(
                f"UPDATE {table} SET term = ? WHERE term = ?",
                (f"repository_id:{_DIRTY_ID}", "repository_id:git.example.com/acme/app"),
            )
        cursor.execute(
            "UPDATE repositories SET repository_id = ? WHERE repository_id = ?",
            (_DIRTY_ID, "git.example.com/acme/app"),
        )
        cursor.execute(
            "INSERT INTO mirrors (org, repository_id, url) SELECT org, ?, ? FROM organisations",
            (_DIRTY_ID, _DIRTY),
        )

    with closing(open_database(url, lambda *_: (), lambda _: None)) as database:
        database.write(write, TESTER, org=1).result()


def everything_in(url: str) -> str:
    def read(cursor: Any) -> str:
        tables = (
            *("deployments", "deployment_postings", "deployment_words", "failures", "marks"),
            *("failure_postings", "failure_words", "repositories", "mirrors"),
        )
        return "\n".join(
            str(row) for table in tables for row in cursor.execute(f"SELECT * FROM {table}")
        )

    with closing(open_database(url, lambda *_: (), lambda _: None)) as database:
        return database.read(read)


@pytest.mark.parametrize("index", STATES, indirect=True)
def test_what_older_versions_stored_is_cleaned_and_derived_once_more(
    store: Store, org: Organisation, database: str
) -> None:
    store.commits.add_commits(org, "git.example.com/acme/app", COMMITS, actor=TESTER).result()
    ids = [deploy(store, org, _DIRTY, FIRST, 3), deploy(store, org, _DIRTY, SECOND, 4)]
    store.derivations.derive_all_queued(actor=TESTER)
    make_old(database)
    assert _SECRET in everything_in(database)
    with Store(database) as opened:
        assert _SECRET not in everything_in(database)
        assert commits_of(opened, org, *ids) == [None, 1]
        clean = found_by("repository_id:git.example.com/acme/app acme")
        assert {each.id for each in opened.deployments.select(org, clean)} == set(ids)
        documents, _ = opened.deployments.documents(org, clean)
        assert len(documents) == 2
        assert all("git.example.com/acme/app" in str(each) for each in documents)
        assert not opened.deployments.select(org, found_by(f"*:{_SECRET}"))
        (mirror,) = opened.mirrors.everything()
        assert mirror.url == "git.example.com/acme/app.git"
        (summary,) = opened.commits.repositories(org)
        assert summary == ("git.example.com/acme/app", 2, 0)
        assert opened._database.read(differing_usage) == []


def test_an_address_that_older_versions_cut_is_whole_again(
    store: Store, org: Organisation, database: str
) -> None:
    url, cut = "[2001:db8::1]:acme/app", "[2001/db8::1]:acme/app"
    ids = [deploy(store, org, url, FIRST, 3), deploy(store, org, url, SECOND, 4)]
    store.commits.add_commits(org, "git.example.com/acme/app", COMMITS, actor=TESTER).result()

    def write(cursor: Any) -> None:
        cursor.execute("UPDATE counters SET value = 0 WHERE org = 0 AND name = 'repository_rules'")
        cursor.execute("UPDATE repositories SET repository_id = ?, match_key = NULL", (cut,))
        cursor.execute("UPDATE deployments SET repository_id = ?", (cut,))
        cursor.execute(
            "UPDATE deployment_postings SET term = ? WHERE term = ?",
            (f"repository_id:{cut}", "repository_id:[2001:db8::1]/acme/app"),
        )

    with closing(open_database(database, lambda *_: (), lambda _: None)) as raw:
        raw.write(write, TESTER, org=org.key).result()
    with Store(database) as opened:
        assert commits_of(opened, org, *ids) == [None, 1]
        documents, _ = opened.deployments.documents(org, found_by("repository_id:*"))
        assert all("[2001:db8::1]/acme/app" in str(each) for each in documents)
        assert [each.repository_id for each in opened.commits.repositories(org)] == [
            "[2001:db8::1]/acme/app"
        ]


def test_events_that_were_not_indexed_before_the_upgrade_are_renamed_too(
    store: Store, org: Organisation, database: str
) -> None:
    """Upkeep may index them, by today's rules, before their rows are seen to."""
    ids = [deploy(store, org, "[2001:db8::1]:acme/app", FIRST, 3)]

    def write(cursor: Any) -> None:
        while index_some(cursor, DEPLOYMENTS, org.key):
            pass
        cursor.execute("UPDATE counters SET value = 0 WHERE org = 0 AND name = 'repository_rules'")
        cursor.execute("UPDATE deployments SET repository_id = '[2001/db8::1]:acme/app'")

    with closing(open_database(database, lambda *_: (), lambda _: None)) as raw:
        raw.write(write, TESTER, org=org.key).result()
    with Store(database) as opened:
        found = found_by('repository_id:"[2001:db8::1]/acme/app"')
        documents, _ = opened.deployments.documents(org, found)
        assert [id_ for id_, *_ in documents] == ids
