"""A word to whoever asks before everything has been derived."""

import click

from theodora.storage import Store


def tell_what_waits(store: Store) -> None:
    """Says on standard error that something is yet to be derived, and what does that."""
    if store.derivations.are_due():
        click.echo(
            "Not everything is derived yet, so lead times and failures may be missing: "
            "`theodora derive` does it now, a running server soon after each change.",
            err=True,
        )
