"""`theodora demo`: load a made-up company's history."""

import time
from collections.abc import Iterator
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

import click

from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import new_or_existing_store
from theodora.events import Deployment
from theodora.sources.demo import DemoHistory, demo_history
from theodora.storage import Organisation, Store
from theodora.storage.engine.actor import Actor

_DEMO = Actor("command", "demo")


@click.command()
@organisation_option
@setting_options(["database"])
def demo(org: str, **flags: str | None) -> None:
    """Load half a year of made-up deployments, commits and incidents, up to now.

    Eight services of four teams, with releases that had to be rolled back, reverted or fixed.
    """
    with new_or_existing_store(flags) as store:
        organisation = store.keys.ensure_organisation(org, time.time_ns(), actor=_DEMO).result()
        count = load_demo(store, organisation)
    click.echo(f"loaded {count:,} events into organisation {org}")


def load_demo(store: Store, org: Organisation) -> int:
    """Loads and derives the history up to now; returns the number of events."""
    history = demo_history(datetime.now(UTC))
    for written in [*_facts(store, org, history), *_events(store, org, history)]:
        written.result()
    for act in history.verdicts:
        store.verdicts.add(org, act, actor=_DEMO).result()
    store.derivations.derive_all_queued(actor=_DEMO)
    return len(history.events)


def _facts(store: Store, org: Organisation, history: DemoHistory) -> Iterator[Future[Any]]:
    for service, given in history.settings.items():
        yield store.settings.put(org, dict(given), service, actor=_DEMO)
    for repository_id, commits in history.commits.items():
        yield store.commits.add_commits(org, repository_id, commits, actor=_DEMO)
        pull_requests = history.pull_requests[repository_id]
        yield store.commits.add_pull_requests(org, repository_id, pull_requests, actor=_DEMO)
    yield store.activity.add(org, history.activity, actor=_DEMO)


def _events(store: Store, org: Organisation, history: DemoHistory) -> Iterator[Future[Any]]:
    now_ns = time.time_ns()
    for event in history.events:
        if isinstance(event, Deployment):
            yield store.deployments.add(org, event, now_ns, actor=_DEMO)
        else:
            yield store.failures.add(org, event, now_ns, actor=_DEMO)
