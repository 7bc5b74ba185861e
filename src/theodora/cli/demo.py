"""`theodora demo`: load a made-up company's history."""

import sys
import time
from concurrent.futures import Future
from datetime import UTC, datetime
from typing import Any

import click

from theodora.cli.options import config_from, organisation_option, setting_options
from theodora.events import Deployment
from theodora.sources.demo import demo_events
from theodora.storage import Organisation, Store
from theodora.web.wire import render


@click.command()
@organisation_option
@setting_options(["database"])
def demo(org: str, **flags: str | None) -> None:
    """Load two years of made-up deployments and incidents, up to now.

    Six services of three teams, with releases that had to be rolled back or mended.
    """
    with Store(config_from(flags).database, render) as store:
        organisation = store.keys.ensure_organisation(org, time.time_ns()).result()
        count = load_demo(store, organisation)
    click.echo(f"loaded {count:,} events into organisation {org}")


def load_demo(store: Store, org: Organisation) -> int:
    """Loads the history up to now; returns how many events that was."""
    now_ns = time.time_ns()
    events = list(demo_events(datetime.now(UTC)))
    waiting: list[Future[Any]] = [
        store.deployments.add(org, event, now_ns)
        if isinstance(event, Deployment)
        else store.failures.add(org, event, now_ns)
        for event in events
    ]
    with click.progressbar(waiting, label="loading the demo", file=sys.stderr) as bar:
        for future in bar:
            future.result()
    return len(events)
