"""A note on pending derivation, for commands that show derived values."""

import time

import click

from theodora.cli.invocation import program
from theodora.events.values import SECOND_NS
from theodora.report import wording
from theodora.storage import Organisation, Store


def tell_what_waits(store: Store, org: Organisation) -> None:
    """Prints to standard error that changes wait to be derived, and by what."""
    waiting = store.derivations.waiting(org)
    if not waiting.tasks:
        return
    changes = wording.counted(waiting.tasks, "change") + (" and more" if waiting.is_more else "")
    since = ""
    if waiting.since_ns is not None:
        age_sec = max(0, time.time_ns() - waiting.since_ns) / SECOND_NS
        since = f", the oldest for {wording.duration(age_sec)}"
    click.echo(
        "Not everything is derived yet, so lead times and failures may be missing: "
        f"{changes} waiting{since}. "
        f"`{program()} derive` does it now, a running server soon after each change.",
        err=True,
    )
