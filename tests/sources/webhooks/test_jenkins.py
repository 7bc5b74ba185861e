"""Builds of Jenkins: which deploy, when they began and ended, and why others are ignored."""

from typing import Any

import pytest

from deliveries import Delivery, Json, ns, orders, outcome, reading, sha
from theodora.events import Deployment
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings

DEPLOYS = SourceSettings(workflows=("deploy-shop", "acme/shop"), env="production")
SCM = {"url": "git@github.com:acme/shop.git", "branch": "origin/main", "commit": sha(3)}
HOUR_MS = 3_600_000


def build(
    phase: str,
    hour: float,
    status: str | None = "SUCCESS",
    scm: Any = SCM,
    url: str = "job/deploy-shop/",
    number: int = 41,
    **members: Any,
) -> Delivery:
    said: Json = {
        "number": number,
        "phase": phase,
        "timestamp": ns(hour) // 10**6,
        "duration": HOUR_MS,
        "scm": {"changes": [], "culprits": [], **scm},
        **({"status": status} if status else {}),
        **members,
    }
    return Delivery({}, {"name": url.split("/")[-2], "url": url, "build": said})


STORY = [
    build("QUEUED", 1, None, {}, duration=0),
    build("STARTED", 2, None, {}, duration=0),
    build("COMPLETED", 3),
    build("FINALIZED", 3.25),
    build("COMPLETED", 5, "FAILURE", number=42),
    build("FINALIZED", 7, number=43),
]
FIRST = "deployment:github.com/acme/shop:deploy-shop:41"


def deployed(delivery: Delivery, settings: SourceSettings = DEPLOYS) -> Deployment:
    [found] = outcome("jenkins", [delivery], settings).values()
    return found


def test_the_order_of_a_story_makes_no_difference() -> None:
    expected = outcome("jenkins", STORY, DEPLOYS)
    numbers = [each.rpartition(":")[2] for each in expected if expected[each]]
    assert numbers == ["41", "43"], "one for each build, none for the one that failed"
    for story in orders(STORY):
        assert outcome("jenkins", story, DEPLOYS) == expected


def test_a_build_ends_when_it_is_completed_and_not_when_it_is_finalized() -> None:
    found = outcome("jenkins", STORY, DEPLOYS)[FIRST]
    assert (found.started_at_ns, found.finished_at_ns) == (ns(2), ns(3))
    assert (found.service, found.env) == ("deploy-shop", "production")
    assert found.git is not None
    assert (found.git.repository_id, found.git.commit_sha) == ("github.com/acme/shop", sha(3))
    only = deployed(build("FINALIZED", 3.25))
    assert (only.started_at_ns, only.finished_at_ns) == (ns(2.25), ns(3.25))


def test_parameters_give_the_environment_and_the_version() -> None:
    parameters = {"ENVIRONMENT": "staging", "VERSION": "1.4.0"}
    found = deployed(build("COMPLETED", 3, parameters=parameters))
    assert (found.env, found.version) == ("staging", "1.4.0")


def test_a_multibranch_project_is_named_without_the_branch() -> None:
    scm = {**SCM, "branch": "main"}
    found = deployed(build("COMPLETED", 3, scm=scm, url="job/acme/job/shop/job/main/"))
    assert (found.service, found.id) == ("shop", "jenkins:github.com.acme.shop:acme.shop.main:41")
    folder = build("COMPLETED", 3, url="job/ops/job/deploy-shop/")
    assert deployed(folder).service == "deploy-shop"
    renamed = SourceSettings(workflows=("deploy-shop",), services={"ops/deploy-shop": "web"})
    assert deployed(folder, renamed).service == "web"


def test_a_build_without_a_repository_deploys_without_a_commit() -> None:
    assert deployed(build("COMPLETED", 3, scm={})).git is None


@pytest.mark.parametrize(
    ("delivery", "settings", "reason"),
    [
        (build("QUEUED", 1, None), DEPLOYS, "a build that is QUEUED has no result yet"),
        (build("STARTED", 1, None), DEPLOYS, "a build that is STARTED has no result yet"),
        (build("COMPLETED", 1), DEFAULT_SETTINGS, 'do not name "deploy-shop"'),
        (build("COMPLETED", 1, url="job/test/"), DEPLOYS, 'do not name "test"'),
        (
            build("COMPLETED", 1, scm={**SCM, "branch": "origin/cart"}),
            DEPLOYS,
            'on the branch "cart"',
        ),
        (build("COMPLETED", 1, "NOT_BUILT"), DEPLOYS, "the build is NOT_BUILT"),
    ],
)
def test_what_does_not_count_is_ignored_with_a_reason(
    delivery: Delivery, settings: SourceSettings, reason: str
) -> None:
    found = reading("jenkins", delivery, settings)
    assert (found.state, found.facts) == ("ignored", ())
    assert reason in found.reason
