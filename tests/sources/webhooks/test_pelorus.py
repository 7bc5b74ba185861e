"""Events for the webhook exporter of Pelorus."""

from typing import Any

import pytest

from deliveries import Delivery, ns, reading
from theodora.sources.webhooks.delivery import SourceSettings
from webhook_stories import deployments, failures


def event(name: str, hour: float, **members: Any) -> Delivery:
    payload = {"app": "shop", "timestamp": ns(hour) // 10**9, **members}
    return Delivery({"x-pelorus-event": name}, payload)


def deployed(hour: float, image: str, **members: Any) -> Delivery:
    return event("deploytime", hour, **{"namespace": "live", "image_sha": image, **members})


def failure(hour: float, state: str, **members: Any) -> Delivery:
    return event("failure", hour, failure_id="SHOP-1", failure_event=state, **members)


DEPLOYED = [deployed(1, "sha256:1"), deployed(2, "sha256:2"), deployed(3, "sha256:1")]
FAILED = [failure(1, "created"), failure(2, "resolved"), failure(1.5, "created", app="cart")]


def test_an_image_may_be_deployed_again() -> None:
    live = SourceSettings(envs={"live": "production"}, env="x")
    found = deployments("pelorus", DEPLOYED, live)
    assert [each.version for each in found] == ["sha256:1", "sha256:2", "sha256:1"]
    assert {(each.service, each.env) for each in found} == {("shop", "production")}
    assert [each.finished_at_ns for each in found] == [ns(1), ns(2), ns(3)]
    settings = SourceSettings(env="test", services={"shop": "web"})
    [bare] = deployments("pelorus", DEPLOYED[:1], settings)
    assert (bare.service, bare.env) == ("web", "test")


def test_namespaces_deploy_one_application_at_one_time() -> None:
    story = [deployed(1, "sha256:1"), deployed(1, "sha256:1", namespace="stage")]
    assert len(deployments("pelorus", story)) == 2


def test_a_failure_lasts_until_it_is_resolved() -> None:
    first, other = failures("pelorus", FAILED)
    assert (first.started_at_ns, first.finished_at_ns, first.services) == (ns(1), ns(2), ("shop",))
    assert (other.finished_at_ns, other.services) == (None, ("cart",))


@pytest.mark.parametrize(
    ("delivery", "reason"),
    [
        (Delivery({}, {}), "no header X-Pelorus-Event"),
        (event("ping", 1), "ping says nothing"),
        (event("committime", 1, commit_hash="5379bad"), "names no repository"),
        (failure(1, "noted"), "the event noted does not change"),
    ],
)
def test_what_does_not_count_is_ignored_with_a_reason(delivery: Delivery, reason: str) -> None:
    found = reading("pelorus", delivery)
    assert (found.state, found.facts) == ("ignored", ())
    assert reason in found.reason
