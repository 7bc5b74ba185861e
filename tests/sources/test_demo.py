"""The made-up history: believable, and always the same."""

from datetime import UTC, datetime

from theodora.events import Deployment, Failure
from theodora.sources.demo import SERVICES, demo_events

NOW = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


def test_the_same_seed_makes_the_same_events() -> None:
    assert list(demo_events(NOW, seed=3)) == list(demo_events(NOW, seed=3))
    assert list(demo_events(NOW, seed=3)) != list(demo_events(NOW, seed=4))


def test_the_demo_is_two_years_of_every_service_up_to_now() -> None:
    events = list(demo_events(NOW))
    now_ns = int(NOW.timestamp()) * 10**9
    deployments = [event for event in events if isinstance(event, Deployment)]
    assert {deployment.service for deployment in deployments} == {
        service.name for service in SERVICES
    }
    assert {deployment.env for deployment in deployments} == {"production", "staging"}
    assert max(deployment.finished_at_ns for deployment in deployments) <= now_ns
    assert (
        min(deployment.started_at_ns for deployment in deployments) >= now_ns - 731 * 86_400 * 10**9
    )
    assert all(event.source == "demo" for event in events)
    assert 5 < sum(isinstance(event, Failure) for event in events) < len(deployments) / 10
