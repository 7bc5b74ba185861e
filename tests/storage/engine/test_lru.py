"""A cache bounded by the size of what it holds: what was used last stays."""

import pytest

from actors import TESTER
from databases import ON_SQLITE
from repositories import hourly_commits
from theodora.events import Deployment, Git
from theodora.storage import Store
from theodora.storage.derivation import sequence_cache
from theodora.storage.engine.lru import LruCache


def test_what_was_not_used_for_longest_goes_first() -> None:
    memory: LruCache[str, int] = LruCache(3)
    for key in ("a", "b", "c"):
        memory.put(key, ord(key), size=1)
    assert memory.get("a") == ord("a")
    memory.put("d", ord("d"), size=1)
    assert [memory.get(key) for key in "abcd"] == [97, None, 99, 100]
    assert memory.size == 3


def test_as_much_goes_as_a_large_value_takes() -> None:
    memory: LruCache[str, str] = LruCache(10)
    memory.put("small", "s", size=4)
    memory.put("middle", "m", size=6)
    memory.put("large", "l", size=7)
    assert (memory.get("small"), memory.get("middle"), memory.get("large")) == (None, None, "l")
    assert memory.size == 7


def test_a_value_alone_may_be_over_the_limit() -> None:
    memory: LruCache[str, str] = LruCache(10)
    memory.put("small", "s", size=1)
    memory.put("huge", "h", size=11)
    assert (memory.get("small"), memory.get("huge"), memory.size) == (None, "h", 11)
    memory.put("next", "n", size=1)
    assert (memory.get("huge"), memory.get("next"), memory.size) == (None, "n", 1)


def test_a_value_put_again_counts_once() -> None:
    memory: LruCache[str, str] = LruCache(10)
    memory.put("one", "first", size=4)
    memory.put("one", "second", size=5)
    assert (memory.get("one"), memory.size) == ("second", 5)


def test_what_is_forgotten_takes_no_room() -> None:
    memory: LruCache[str, str] = LruCache(10)
    memory.put("one", "1", size=4)
    memory.put("two", "2", size=5)
    memory.forget("one")
    memory.forget("never there")
    assert (memory.get("one"), memory.size) == (None, 5)
    memory.clear()
    assert (memory.get("two"), memory.size) == (None, 0)


@ON_SQLITE
def test_derivation_and_explanations_remember_as_much_as_they_may(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, limit in (("READ_DEPLOYMENTS", 10), ("DERIVED_DEPLOYMENTS", 8), ("COMMITS", 12)):
        monkeypatch.setattr(sequence_cache, f"_{name}", limit)
    with Store(database) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        shas = [letter * 40 for letter in "abc"]
        for name in "0123456789":
            store.commits.add_commits(
                org, f"x.example/{name}", hourly_commits(shas, 1), actor=TESTER
            ).result()
            git = Git(shas[0], f"https://x.example/{name}")
            event = Deployment(
                id=name, service=name, started_at_ns=10**18, finished_at_ns=10**18, git=git
            )
            store.deployments.add(org, event, 1, actor=TESTER).result()
        store.derivations.derive_all_queued(actor=TESTER)
        for name in "0123456789":
            assert store.derivations.explain(org, name).repository
        cache = store.derivations._cache
        sizes = cache._seen.size, cache._derivations.size, cache._repositories._known.size
        assert sizes == (10, 8, 12)
