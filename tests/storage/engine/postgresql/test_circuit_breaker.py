"""A server that has failed rests, and is then tried by one caller at a time."""

import pytest

from theodora.storage.engine.postgresql import circuit_breaker
from theodora.storage.engine.postgresql.circuit_breaker import Standing


class Clock:
    """What `time.monotonic` tells."""

    now = 1_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(circuit_breaker, "time", clock)
    return clock


def test_a_server_that_has_not_failed_is_asked(clock: Clock) -> None:
    assert Standing("replica").may_be_asked()


def test_one_that_has_failed_rests_for_a_second_and_is_tried_by_one(clock: Clock) -> None:
    server = Standing("replica")
    server.note_failed("away")
    assert not server.may_be_asked()
    clock.now += 0.9
    assert not server.may_be_asked()
    clock.now += 0.2
    assert [server.may_be_asked() for _ in range(3)] == [True, False, False]


def test_an_attempt_without_an_end_is_followed_by_another(clock: Clock) -> None:
    server = Standing("replica")
    server.note_failed("away")
    clock.now += 1.1
    assert server.may_be_asked()
    clock.now += 9.5
    assert not server.may_be_asked()
    clock.now += 1
    assert server.may_be_asked()


def test_one_that_is_well_again_is_asked_by_all(clock: Clock) -> None:
    server = Standing("replica")
    server.note_failed("away")
    assert server.problem == "away"
    server.note_well()
    assert server.problem == ""
    assert all(server.may_be_asked() for _ in range(3))
