"""Deployments and failures as values: identities, ids and spans."""

import uuid
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theodora.events import ActivePeriod, Deployment, Failure, Git
from theodora.events.values import whole_seconds

ORG = "0c1f6e0a-0000-4000-8000-000000000001"

DEPLOYMENT = Deployment(
    service="shopist",
    env="production",
    version="v1.12.07",
    started_at_ns=1693491974000000000,
    finished_at_ns=1693491984000000000,
    git=Git("66adc9350f2cc9b250b69abddab733dd55e1a588", "https://github.com/a/b"),
)
FAILURE = Failure(services=("shopist",), env="production", started_at_ns=1707842944500000000)


def test_the_published_vector_of_a_deployment() -> None:
    assert Deployment.id_of(DEPLOYMENT.identity(ORG)) == "64f25434490ef9c7"


def test_the_published_vector_of_a_failure() -> None:
    assert Failure.id_of(FAILURE.identity(ORG)) == "3b8f1948-30ae-5811-8c4a-81cf3f597a0c"


@pytest.mark.parametrize(
    ("name", "value", "takes_part"),
    [
        ("service", "other", True),
        ("env", "staging", True),
        ("env", None, True),
        ("version", None, True),
        ("started_at_ns", 1693491974000000001, True),
        ("finished_at_ns", 1693491984000000001, True),
        ("git", None, True),
        ("git", Git("f" * 40, "https://github.com/a/b"), True),
        ("git", Git(DEPLOYMENT.git.commit_sha if DEPLOYMENT.git else "", "x"), False),
        ("id", "chosen-by-a-client", False),
        ("team", "backend", False),
        ("custom_tags", ("a:b",), False),
        ("source", "import", False),
        ("created_at_ns", 5, False),
        ("change_failure", True, False),
    ],
)
def test_what_makes_deployments_the_same(name: str, value: Any, takes_part: bool) -> None:
    other = msgspec.structs.replace(DEPLOYMENT, **{name: value})
    assert (other.identity(ORG) != DEPLOYMENT.identity(ORG)) == takes_part


@pytest.mark.parametrize(
    ("name", "value", "takes_part"),
    [
        ("services", ("shopist", "cart"), True),
        ("services", ("shopist", "shopist"), False),
        ("env", None, True),
        ("started_at_ns", 1707842944500000001, True),
        ("team", "backend", False),
        ("finished_at_ns", 1707842945000000000, False),
        ("name", "down", False),
        ("severity", "SEV-1", False),
        ("version", "v1", False),
        ("id", "chosen-by-a-client", False),
    ],
)
def test_what_makes_failures_the_same(name: str, value: Any, takes_part: bool) -> None:
    other = msgspec.structs.replace(FAILURE, **{name: value})
    assert (other.identity(ORG) != FAILURE.identity(ORG)) == takes_part


def test_the_order_of_services_does_not_matter_to_a_failure() -> None:
    one, other = (
        msgspec.structs.replace(FAILURE, services=services) for services in (("a", "b"), ("b", "a"))
    )
    assert one.identity(ORG) == other.identity(ORG)


def test_a_team_counts_where_a_failure_has_no_services() -> None:
    of_teams = [
        msgspec.structs.replace(FAILURE, services=(), team=team).identity(ORG)
        for team in ("backend", "frontend")
    ]
    assert len(set(of_teams)) == 2


@pytest.mark.parametrize("event", [DEPLOYMENT, FAILURE])
def test_no_organisation_shares_an_identity(event: Deployment | Failure) -> None:
    assert event.identity(ORG) != event.identity(str(uuid.UUID(int=1)))


@pytest.mark.parametrize("event", [DEPLOYMENT, FAILURE])
def test_further_attempts_at_an_id_are_different_and_always_the_same(
    event: Deployment | Failure,
) -> None:
    ids = [[event.id_of(event.identity(ORG), attempt) for attempt in range(5)] for _ in range(2)]
    assert ids[0] == ids[1]
    assert len(set(ids[0])) == 5
    assert len({len(id_) for id_ in ids[0]}) == 1


@pytest.mark.parametrize(
    ("span_ns", "seconds"),
    [
        *((0, 0), (499_999_999, 0), (500_000_000, 1), (1_499_999_999, 1), (1_500_000_000, 2)),
        (2_500_000_000, 3),
    ],
)
def test_seconds_are_rounded_to_the_nearest_halves_up(span_ns: int, seconds: int) -> None:
    assert whole_seconds(span_ns) == seconds


@given(st.integers(0, 2**63 - 1))
def test_rounding_is_off_by_half_a_second_at_most(span_ns: int) -> None:
    assert abs(whole_seconds(span_ns) * 10**9 - span_ns) <= 5 * 10**8


def test_an_open_failure_has_no_time_to_restore() -> None:
    assert FAILURE.time_to_restore is None
    ended = msgspec.structs.replace(FAILURE, finished_at_ns=FAILURE.started_at_ns + 90 * 10**9)
    assert ended.time_to_restore == 90


def failure(*periods: tuple[int, int | None]) -> Failure:
    """A failure that was active in these periods, in seconds."""
    active = tuple(
        ActivePeriod(began * 10**9, None if ended is None else ended * 10**9)
        for began, ended in periods
    )
    return Failure(
        services=("web",),
        started_at_ns=active[0].started_at_ns,
        finished_at_ns=active[-1].finished_at_ns,
        periods=active if len(active) > 1 else (),
    )


@pytest.mark.parametrize(
    ("periods", "seconds"),
    [
        ([(10, 30)], 20),
        ([(10, 10)], 0),
        ([(10, None)], None),
        ([(30, 10)], None),
        ([(10, 30), (100, 101), (200, 250)], 71),
        ([(10, 30), (100, None)], None),
    ],
)
def test_the_time_to_restore_is_the_sum_of_the_active_periods(
    periods: list[tuple[int, int | None]], seconds: int | None
) -> None:
    event = failure(*periods)
    assert event.time_to_restore == seconds
    assert event.time_to_restore_ns == (None if seconds is None else seconds * 10**9)


def test_an_end_is_that_of_the_last_period() -> None:
    assert failure((10, None)).ended(20 * 10**9) == failure((10, 20))
    assert failure((10, 20), (30, None)).ended(40 * 10**9) == failure((10, 20), (30, 40))
    assert failure((10, 20), (30, 40)).ended(50 * 10**9) == failure((10, 20), (30, 50))


@pytest.mark.parametrize(
    ("former", "late"),
    [
        ([(10, 20)], [(10, None)]),
        ([(10, 20)], [(12, None)]),
        ([(10, 20)], [(20, None)]),
        ([(10, 20), (30, 40)], [(10, None)]),
        ([(10, 20), (30, 40)], [(10, 20), (30, None)]),
    ],
)
def test_what_opened_late_reopens_nothing(
    former: list[tuple[int, int | None]], late: list[tuple[int, int | None]]
) -> None:
    assert failure(*late).unless_late(failure(*former)) == failure(*former)


@pytest.mark.parametrize(
    ("former", "given"),
    [
        ([(10, None)], [(10, None)]),
        ([(10, None)], [(10, 20)]),
        ([(10, 20)], [(10, 30)]),
        ([(10, 20)], [(10, 20), (30, None)]),
        ([(10, 20), (30, 40)], [(10, 15)]),
    ],
)
def test_what_is_not_late_replaces(
    former: list[tuple[int, int | None]], given: list[tuple[int, int | None]]
) -> None:
    assert failure(*given).unless_late(failure(*former)) == failure(*given)
