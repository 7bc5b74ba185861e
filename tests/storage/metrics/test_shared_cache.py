"""A cache that organisations share."""

import pytest

from theodora.storage.metrics.shared_cache import SharedCache


class Clock:
    now_sec = 0.0

    def __call__(self) -> float:
        return self.now_sec


@pytest.fixture
def clock() -> Clock:
    return Clock()


def names(cache: SharedCache[str]) -> str:
    return "".join(cache.get(org) or "-" for org in range(1, 5))


def test_what_was_used_longest_ago_is_evicted_first(clock: Clock) -> None:
    cache: SharedCache[str] = SharedCache(10, clock)
    for org, name in ((1, "a"), (2, "b"), (1, "a")):
        assert cache.put(org, name, 5)
    assert cache.put(3, "c", 4)
    assert (names(cache), cache.size) == ("a-c-", 9)


def test_a_large_one_is_not_kept_at_the_cost_of_small_ones_in_use(clock: Clock) -> None:
    cache: SharedCache[str] = SharedCache(10, clock)
    assert cache.put(1, "a", 3)
    assert cache.put(2, "b", 3)
    assert not cache.put(3, "c", 9)
    assert (names(cache), cache.size) == ("ab--", 6)
    assert cache.put(3, "c", 4)
    assert names(cache) == "abc-"


def test_what_is_no_longer_in_use_makes_room(clock: Clock) -> None:
    cache: SharedCache[str] = SharedCache(10, clock)
    assert cache.put(1, "a", 3)
    clock.now_sec = 59.0
    assert not cache.put(3, "c", 9)
    clock.now_sec = 60.0
    assert cache.put(3, "c", 9)
    assert (names(cache), cache.size) == ("--c-", 9)


def test_a_small_one_evicts_a_large_one(clock: Clock) -> None:
    cache: SharedCache[str] = SharedCache(10, clock)
    assert cache.put(1, "a", 9)
    assert cache.put(2, "b", 2)
    assert (names(cache), cache.size) == ("-b--", 2)


def test_one_alone_may_take_everything_and_what_is_forgotten_takes_nothing(clock: Clock) -> None:
    cache: SharedCache[str] = SharedCache(10, clock)
    assert cache.put(1, "a", 10)
    assert not cache.put(2, "b", 11)
    assert names(cache) == "a---"
    cache.forget(1)
    cache.forget(1)
    assert (names(cache), cache.size) == ("----", 0)
