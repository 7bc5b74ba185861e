"""`theodora annotate`: note on charts what happened, list that, or remove it."""

import getpass
import time
from collections.abc import Sequence

import click

from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store
from theodora.events import format_second
from theodora.events.annotations import ABOUT, read_annotation
from theodora.events.json_values import JsonObject
from theodora.report import wording
from theodora.report.text_table import aligned
from theodora.storage.annotations import StoredAnnotation
from theodora.storage.engine.actor import Actor

_LISTED = 50


@click.command()
@click.argument("text", required=False)
@click.option("--at", metavar="TIME", help="When it happened, as RFC 3339; default: now.")
@click.option("--service", help="The service that it is about; default: all.")
@click.option("--team", help="The team that it is about; default: all.")
@click.option("--env", help="The environment that it is about; default: all.")
@click.option("--remove", metavar="ID", help="Remove the annotation with this id.")
@click.option("--by", default="", help="Who annotates; default: the user of this machine.")
@organisation_option
@setting_options(["database"])
def annotate(
    text: str | None,
    at: str | None,
    service: str | None,
    team: str | None,
    env: str | None,
    remove: str | None,
    by: str,
    org: str,
    **flags: str | None,
) -> None:
    """Annotate charts with TEXT; without TEXT, list the newest annotations.

    \b
    theodora annotate "Moved to Argo CD" --service checkout --at 2026-11-09T14:00:00Z
    theodora annotate --remove 4c1b6a5b8e0d9f3c2a7e6d5b4c3a2f1e

    The charts of what it is about have a mark at that time. The same annotation is stored once.
    """
    sent: JsonObject = {"at": at, "text": text, "service": service, "team": team, "env": env}
    given = [name for name, value in sent.items() if value is not None]
    if remove and given:
        raise click.UsageError("--remove cannot be combined with an annotation")
    if given and text is None:
        raise click.UsageError("give the TEXT of the annotation")
    now_ns = time.time_ns()
    actor = Actor("person", by or getpass.getuser())
    with existing_store(flags) as store:
        organisation = store.keys.organisation(org)
        if remove:
            store.annotations.remove(organisation, remove, actor=actor).result()
            click.echo(f"removed {wording.visible(remove)}")
        elif given:
            content = read_annotation(sent, now_ns)
            made = store.annotations.add(organisation, content, now_ns, actor=actor).result()
            click.echo(made.id)
        else:
            _list(store.annotations.newest(organisation, _LISTED))


def _list(found: Sequence[StoredAnnotation]) -> None:
    head = ("ID", "AT", "TEXT", "ABOUT", "BY")
    for line in aligned([head, *map(_row, found)]):
        click.echo(line)


def _row(stored: StoredAnnotation) -> tuple[str, ...]:
    content = stored.content
    about = " ".join(f"{name}:{getattr(content, name)}" for name in ABOUT if getattr(content, name))
    at = format_second(content.at_ns)
    return (stored.id, at, content.text, about or "everything", stored.created_by)
