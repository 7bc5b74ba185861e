"""The story of each provider, through the inbox and the worker into a store and its metrics.

In whatever order and however often the deliveries come in, the five metrics, the events, the pull
requests and the commits are the same.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pytest

from databases import ON_SQLITE
from deliveries import Delivery
from sources.webhooks import (
    test_argocd,
    test_azure_devops,
    test_bitbucket,
    test_bitbucket_server,
    test_cdevents,
    test_circleci,
    test_flux,
    test_gitea,
    test_gitlab,
    test_incidents,
    test_jenkins,
    test_json_body,
    test_pelorus,
    test_stories,
)
from theodora.sources.webhooks.delivery import DEFAULT_SETTINGS, SourceSettings
from theodora.sources.webhooks.table import SOURCES
from theodora.storage import Store
from theodora.storage.open import migrate_database
from webhook_stories import ORDERS, SentStory, deliver, results, shuffled


class ProviderStory(NamedTuple):
    """What a provider sends, in order, and the settings of its source."""

    deliveries: Sequence[Delivery]
    settings: SourceSettings = DEFAULT_SETTINGS


_JSON = test_json_body.settings_of(f"{test_json_body.DEPLOYMENT}\n{test_json_body.INCIDENT}")

STORIES: Mapping[str, ProviderStory] = {
    "github": ProviderStory(test_stories.GITHUB),
    "pagerduty": ProviderStory(test_stories.PAGERDUTY),
    "gitlab": ProviderStory(test_gitlab.STORY, test_gitlab.DEPLOYS),
    "gitea": ProviderStory(test_gitea.STORY, test_gitea.RELEASES),
    "bitbucket": ProviderStory(test_bitbucket.STORY),
    "bitbucketserver": ProviderStory(test_bitbucket_server.STORY),
    "azuredevops": ProviderStory(test_azure_devops.STORY, test_azure_devops.DEPLOYS),
    "circleci": ProviderStory(test_circleci.STORY, test_circleci.DEPLOYS),
    "jenkins": ProviderStory(test_jenkins.STORY, test_jenkins.DEPLOYS),
    "cdevents": ProviderStory([*test_cdevents.SERVICES, *test_cdevents.INCIDENT]),
    "argocd": ProviderStory(test_argocd.STORY),
    "flux": ProviderStory(test_flux.STORY),
    "pelorus": ProviderStory([*test_pelorus.DEPLOYED, *test_pelorus.FAILED]),
    "json": ProviderStory([*test_json_body.RUNS, *test_json_body.TICKETS], _JSON),
    **{
        story.kind: ProviderStory(story.deliveries, story.settings)
        for story in test_incidents.STORIES
    },
}


OF_BOTH = {"github", "pagerduty"}
"""In `test_stories.py`, as one story."""


def sent(kind: str) -> SentStory:
    return [(kind, each) for each in STORIES[kind].deliveries]


def test_every_provider_has_a_story() -> None:
    assert STORIES.keys() == {source.name for source in SOURCES}


@ON_SQLITE
@pytest.mark.parametrize("kind", sorted(STORIES.keys() - OF_BOTH))
def test_the_metrics_do_not_depend_on_the_order_of_a_providers_webhooks(
    store: Store, kind: str
) -> None:
    settings = {kind: STORIES[kind].settings}
    expected = results(store, deliver(store, "in order", sent(kind), settings))
    names = ("deployments", "failures", "pull requests", "commits")
    assert any(expected[name] for name in names)
    for name, order in ORDERS.items():
        org = deliver(store, name, order(sent(kind)), settings, at_once=5)
        assert results(store, org) == expected, name


def test_the_metrics_of_all_providers_are_the_same_on_either_database(
    store: Store, tmp_path: Path
) -> None:
    """In order on SQLite; shuffled, and with parts that come twice, on both."""
    story = [each for kind in STORIES for each in sent(kind)]
    settings = {kind: each.settings for kind, each in STORIES.items()}
    url = f"sqlite:///{tmp_path / 'expected.db'}"
    migrate_database(url)
    with Store(url) as other:
        expected = results(other, deliver(other, "in order", story, settings))
    org = deliver(store, "shuffled", shuffled(1)(story), settings, at_once=50)
    assert results(store, org) == expected
    assert expected["metrics"].deployment_frequency.count > 20
