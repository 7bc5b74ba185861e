"""Pull requests in the store: found as the matcher finds them, linked to what shipped them."""

import os
import random
import time
from collections.abc import Iterator, Sequence

import msgspec
import pytest

from actors import TESTER
from theodora.dora import Commit, PullRequest
from theodora.dora.metrics.calendar import Period
from theodora.dora.metrics.pull_requests import PullRequestQuery
from theodora.errors import NotFound
from theodora.events import Deployment, Git
from theodora.events.pull_requests import PullRequestEvent
from theodora.query import matches, parse
from theodora.query.fields import Kind, Type
from theodora.query.pull_request_fields import (
    ALL_PULL_REQUEST_FIELDS,
    PULL_REQUEST_SORT_KEYS,
    sort_field,
)
from theodora.storage import Organisation, Selection, Store
from theodora.storage.facts import pull_request_rows
from theodora.storage.open import open_copy

HOUR_NS = 3_600 * 10**9
START_NS = 1_700_000_000 * 10**9
SEED = int(os.environ.get("THEODORA_TEST_SEED") or random.SystemRandom().randrange(2**32))
SHOP = "github.com/acme/shop"


def at(hour: float) -> int:
    return START_NS + int(hour * HOUR_NS)


def sha(number: int) -> str:
    return f"{number:040x}"


def commit(number: int, hour: float, *parents: int, **members: object) -> Commit:
    return msgspec.convert(
        {
            "sha": sha(number),
            "parents": tuple(map(sha, parents)),
            "author_time_ns": at(hour),
            "commit_time_ns": at(hour),
            "author_name": "Ada",
            **members,
        },
        Commit,
    )


def request(number: int, **members: object) -> PullRequest:
    given = {
        "number": number,
        "title": f"Change {number}",
        "author": "ada",
        "base": "main",
        "branch": f"change-{number}",
        "created_at_ns": at(2),
        "last_approved_at_ns": at(4),
        "merged_at_ns": at(5),
        "merge_commit_sha": sha(10 * number),
        "reviewers": ("bo",),
    }
    return PullRequest(**(given | members))  # pyright: ignore[reportArgumentType]


def deployment(id_: str, hour: float, head: int, **members: str) -> Deployment:
    given = {"service": "web", "env": "production", "version": id_, **members}
    return Deployment(
        id=id_,
        started_at_ns=at(hour),
        finished_at_ns=at(hour + 0.5),
        git=Git(sha(head), f"https://{SHOP}"),
        **given,  # pyright: ignore[reportArgumentType]
    )


def add(store: Store, org: Organisation, *requests: PullRequest) -> None:
    store.commits.add_pull_requests(org, SHOP, requests, actor=TESTER).result()


def tell(store: Store, org: Organisation, *commits: Commit) -> None:
    store.commits.add_commits(org, SHOP, commits, actor=TESTER).result()


def deploy(store: Store, org: Organisation, *deployments: Deployment) -> None:
    for each in deployments:
        store.deployments.add(org, each, at(99), actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)


def found(store: Store, org: Organisation, query: str = "", **asked: object) -> list[int]:
    sort = sort_field("number", Kind.PULL_REQUEST)
    given = {"query": parse(query, Kind.PULL_REQUEST), "sort": sort, "descending": False}
    selection = Selection(**({"limit": 100} | given | asked))  # pyright: ignore[reportArgumentType]
    return [each.number for each in store.pull_requests.select(org, selection)]


def merged_and_deployed(store: Store, org: Organisation) -> None:
    """Request 1 is squashed as commit 10, which staging has first and production second."""
    tell(store, org, commit(1, 0), commit(10, 5, 1))
    add(store, org, request(1, commits=(commit(2, 1), commit(3, 3)), merge_method="squash"))
    deploy(
        store,
        org,
        deployment("base", 0.5, 1),
        deployment("base-staging", 0.4, 1, env="staging"),
        deployment("staged", 6, 10, env="staging"),
        deployment("shipped", 7, 10),
        deployment("again", 9, 10),
    )


def test_a_request_has_its_stages_and_the_first_deployments_that_shipped_it(
    store: Store, org: Organisation
) -> None:
    merged_and_deployed(store, org)
    event = store.pull_requests.get(org, "github.com:acme:shop:1")
    assert [each.id for each in event.deployments] == ["staged", "shipped"]
    assert event.shipped
    assert event.shipped.id == "shipped"
    assert (event.state, event.number_of_commits, event.is_bot) == ("merged", 2, False)
    spans = (event.cycle_time_ns, event.time_to_ready_ns, event.review_time_ns)
    assert spans == (4 * HOUR_NS, HOUR_NS, 2 * HOUR_NS)
    assert (event.merge_time_ns, event.time_to_deploy_ns) == (HOUR_NS, 2 * HOUR_NS)
    assert [each.number for each in store.pull_requests.of_deployment(org, "shipped")] == [1]
    assert store.pull_requests.of_deployment(org, "again") == []
    assert found(store, org, "deployed_at:* time_to_deploy:2h is:production team:* OR 1") == [1]
    with pytest.raises(NotFound):
        store.pull_requests.get(org, "github.com:acme:shop:2")


def test_a_deleted_deployment_leaves_the_request_to_the_next(
    store: Store, org: Organisation, database: str
) -> None:
    merged_and_deployed(store, org)
    store.deployments.delete(org, "shipped", actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    shipped = store.pull_requests.get(org, "github.com:acme:shop:1").shipped
    assert shipped
    assert shipped.id == "again"
    with open_copy(database) as raw:
        linked = "SELECT count(*) FROM pull_request_deployments WHERE org = ? AND number = 1"
        assert raw.cursor.execute(linked, (org.key,)).fetchall() == [(2,)]


def test_settings_decide_what_is_production(store: Store, org: Organisation) -> None:
    merged_and_deployed(store, org)
    store.settings.put(org, {"production_envs": ["staging"]}, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)
    shipped = store.pull_requests.get(org, "github.com:acme:shop:1").shipped
    assert shipped
    assert shipped.id == "staged"
    assert found(store, org, "is:production env:production") == [1]


def test_late_commits_fill_in_what_a_webhook_does_not_say(store: Store, org: Organisation) -> None:
    """A webhook names the last commit and how many there are; pushes bring them in any order."""
    add(store, org, request(1, head_sha=sha(3), commit_count=2, merge_commit_sha=sha(10)))
    assert found(store, org, "cycle_time:*") == []
    tell(store, org, commit(3, 3, 2))
    assert found(store, org, "cycle_time:*") == []
    tell(store, org, commit(2, 1, 1))
    assert found(store, org, f"cycle_time:4h commit_sha:{sha(2)} commits:2") == [1]


def name_bots(store: Store, org: Organisation, *bots: str) -> None:
    """Sets an organisation's own list; upkeep comes between writes."""
    store.settings.put(org, {"bots": list(bots)} if bots else {}, actor=TESTER).result()
    while store._database.read(
        lambda cursor: cursor.execute("SELECT 1 FROM stale_bots").fetchone()
    ):
        time.sleep(0.005)


def test_the_list_of_an_organisation_applies_to_what_is_stored_and_to_what_comes(
    store: Store, org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pull_request_rows, "_ROWS_AT_ONCE", 2)
    other = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    by_robot = {"author_name": "Release Robot", "author_email": "x@ci.example"}
    requests = [
        request(1, author="Robot-7"),
        request(2, author="ada", commits=(commit(2, 1, **by_robot),)),
        request(3, author="robot-7", commits=(commit(3, 1, **by_robot), commit(4, 1))),
        request(4, author="renovate[bot]"),
        request(5, author="ada"),
    ]
    for each in (org, other):
        add(store, each, *requests)
    name_bots(store, org, "robot-?", "*@CI.example")
    assert found(store, org, "bot:true") == [1, 2, 4]
    assert found(store, other, "bot:true") == [4]
    add(store, org, request(6, author="robot-8"))
    assert found(store, org, "bot:true") == [1, 2, 4, 6]
    states = store.pull_requests.count_states(org, parse("", Kind.PULL_REQUEST), 0, at(99))
    assert sum(each.of_bots for each in states) == 4
    name_bots(store, org)
    assert found(store, org, "bot:true") == [4]


def test_bots_are_told_by_all_commits_else_by_the_author(store: Store, org: Organisation) -> None:
    bot = {"author_name": "dependabot[bot]"}
    add(
        store,
        org,
        request(1, commits=(commit(2, 1, **bot),), author="ada"),
        request(2, commits=(commit(3, 1, **bot), commit(4, 1)), author="renovate[bot]"),
        request(3, author="renovate[bot]"),
    )
    assert found(store, org, "bot:true") == [1, 3]


def test_time_to_deploy_is_to_production_unless_the_search_names_another_environment(
    store: Store, org: Organisation
) -> None:
    merged_and_deployed(store, org)
    query = PullRequestQuery(period=Period(at(0), at(99)), as_of_ns=at(99), group_by=("env",))
    for text, hours, env in (
        ("", 2, "production"),
        ("env:staging", 1, "staging"),
        ("is:production", 2, "production"),
        ("-env:production", None, None),
    ):
        report = store.pull_requests.report(org, query, parse(text, Kind.PULL_REQUEST))
        distribution = report.overall.total.distributions["time_to_deploy"]
        assert distribution.p50 == (hours and hours * 3_600), text
        assert [each.group for each in report.groups] == ([(env,)] if env else []), text


def test_bots_are_left_out_of_metrics_unless_they_are_asked_for(
    store: Store, org: Organisation
) -> None:
    add(store, org, request(1), request(2, author="renovate[bot]"))
    query = PullRequestQuery(period=Period(at(0), at(99)), as_of_ns=at(99))
    for with_bots in (False, True):
        report = store.pull_requests.report(org, query, parse(""), with_bots=with_bots)
        assert report.overall.total.merged == 1 + with_bots


def test_another_organisation_sees_nothing(store: Store, org: Organisation) -> None:
    other_org = store.keys.ensure_organisation("other", 1, actor=TESTER).result()
    merged_and_deployed(store, org)
    assert found(store, other_org) == []
    assert store.pull_requests.of_deployment(other_org, "shipped") == []
    assert store.pull_requests.count_states(other_org, parse(""), 0, at(99)) == []
    query = PullRequestQuery(period=Period(0, at(99)), as_of_ns=at(99))
    assert store.pull_requests.report(other_org, query, parse("")).overall.total.merged == 0
    assert store.pull_requests.report(org, query, parse("")).overall.total.merged == 1
    with pytest.raises(NotFound):
        store.pull_requests.get(other_org, "github.com:acme:shop:1")


_TEXTS = ("ada", "bo", "Fix door", "main", "feature/x", "web", "pay", "production", "staging", "42")


def random_requests(chance: random.Random, count: int) -> Iterator[PullRequest]:
    def some(values: Sequence[object]) -> object:
        return chance.choice(values)

    for number in range(1, count + 1):
        is_merged = chance.random() < 0.7
        yield request(
            number,
            title=some(("Fix door", "Add 42 carts", "fix: the DOOR", "")),
            author=some(("ada", "bo", "dependabot[bot]", "")),
            base=some(("main", "release")),
            branch=some(("feature/x", "ada/door")),
            labels=some(((), ("bug",), ("bug", "ui door"))),
            reviewers=some((None, (), ("bo",), ("bo", "Carmen"))),
            additions=some((None, 0, 10)),
            deletions=some((None, 3)),
            commits=(commit(1_000 + number, chance.randrange(5)),) if chance.random() < 0.6 else (),
            ready_at_ns=some((None, at(3))),
            last_approved_at_ns=some((None, at(4), at(6))),
            merged_at_ns=at(5) if is_merged else None,
            closed_at_ns=some((None, at(8))),
            is_draft=chance.random() < 0.3,
            merge_commit_sha=sha(10 * number) if is_merged else None,
        )


def random_world(store: Store, org: Organisation, chance: random.Random) -> None:
    count = 25
    line = [commit(10 * n, 5, 10 * (n - 1)) for n in range(1, count + 1)]
    tell(store, org, commit(0, 0), *line)
    add(store, org, *random_requests(chance, count))
    for service in ("web", "pay"):
        for env in ("production", "staging"):
            heads = sorted(chance.sample(range(count + 1), 5))
            told = [
                deployment(f"{service}-{env}-{head}", 6 + head, 10 * head, service=service, env=env)
                for head in heads
            ]
            deploy(store, org, *told)


def clauses(events: Sequence[PullRequestEvent], chance: random.Random) -> str:
    field = chance.choice(ALL_PULL_REQUEST_FIELDS)
    texts = field.texts(chance.choice(events))
    value = chance.choice(texts) if texts else chance.choice(_TEXTS)
    word = value.replace('"', "")
    ways = [f"{field.name}:*", f"-{field.name}:*", f'"{word}"', f'*:"{word}"', f'-*:"{word}"']
    if field.type is Type.TEXT or texts:
        ways += [f'{field.name}:"{word}"', f'-{field.name}:"{word}"', f"{word[:3]}*"]
    if field.type is Type.TEXT:
        ways += [f'{field.name}:>"{word}"', f"{field.name}:*{word[1:3].strip() or 'a'}*"]
    if field.type is Type.NUMBER and texts:
        ways += [f"{field.name}:>={word}", f"{field.name}:<{word}"]
    return chance.choice([*ways, "is:production", "-is:production"])


def test_the_store_finds_what_the_matcher_finds(store: Store, org: Organisation) -> None:
    chance = random.Random(SEED)
    random_world(store, org, chance)
    everything = [
        store.pull_requests.get(org, f"github.com:acme:shop:{number}")
        for number in found(store, org)
    ]
    assert len(everything) == 25
    assert sum(len(each.deployments) for each in everything) > 5
    for _ in range(150):
        joint = chance.choice((" ", " OR "))
        text = joint.join(clauses(everything, chance) for _ in range(chance.randrange(1, 4)))
        tree = parse(text, Kind.PULL_REQUEST)
        expected = [each.number for each in everything if matches(tree, each)]
        assert found(store, org, text) == expected, (text, f"THEODORA_TEST_SEED={SEED}")


@pytest.mark.parametrize("name", PULL_REQUEST_SORT_KEYS)
def test_pages_of_every_order_join_to_the_list(store: Store, org: Organisation, name: str) -> None:
    random_world(store, org, random.Random(5))
    sort = sort_field(name, Kind.PULL_REQUEST)
    assert sort
    for descending in (True, False):
        selection = Selection(sort=sort, descending=descending, limit=7)
        shown: list[PullRequestEvent] = []
        while True:
            page = store.pull_requests.page(org, selection)
            shown += page.events
            if page.end is None:
                break
            selection = msgspec.structs.replace(selection, after=page.end)
        assert len({each.id for each in shown}) == len(shown) == 25
        values = [next(iter(sort.values(each)), None) for each in shown]
        known = [value for value in values if value is not None]
        assert known == sorted(known, reverse=descending)  # pyright: ignore[reportArgumentType]
        assert values == known + [None] * (len(values) - len(known))
