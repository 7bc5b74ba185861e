"""`theodora goals`: lines on charts at values that people aim at."""

import time

import click

from theodora.cli.invocation import command_actor
from theodora.cli.options import organisation_option, setting_options
from theodora.cli.stores import existing_store
from theodora.events import format_second
from theodora.notifications.settings import read_name
from theodora.report.goals import (
    GOAL_METRICS,
    goal_words,
    read_goal,
    read_goal_metric,
    read_goal_subject,
)
from theodora.report.text_table import aligned
from theodora.storage.goals import Goal

_database = setting_options(["database"])
_metric = click.argument("metric", type=click.Choice([*GOAL_METRICS]))
_service = click.option("--service", default="", help="The service that it is for; default: all.")
_team = click.option("--team", default="", help="The team that it is for; default: all.")


@click.group()
def goals() -> None:
    """Show goals as lines on charts; nothing is compared with them."""


@goals.command("list")
@organisation_option
@_database
def list_goals(org: str, **flags: str | None) -> None:
    """List the goals of an organisation."""
    with existing_store(flags) as store:
        found = store.goals.all_of(store.keys.organisation(org))
    head = ("METRIC", "GOAL", "SERVICE", "TEAM", "SET", "BY")
    for line in aligned([head, *(_row(each) for each in found)]):
        click.echo(line)


@goals.command("set")
@_metric
@click.argument("value")
@_service
@_team
@organisation_option
@_database
def set_goal(
    metric: str, value: str, service: str, team: str, org: str, **flags: str | None
) -> None:
    """Set the goal of METRIC to VALUE.

    \b
    theodora goals set change_lead_time 2d --team payments
    theodora goals set change_failure_rate "5 %"
    theodora goals set deployment_frequency "3 a week" --service checkout

    A service's own goal is shown before its team's, and that before the one for everything.
    """
    of = read_goal_metric(metric)
    subject = read_goal_subject(of, read_name(service), read_name(team))
    aim = read_goal(of, value)
    with existing_store(flags) as store:
        org_ = store.keys.organisation(org)
        store.goals.put(org_, subject, aim, time.time_ns(), actor=command_actor()).result()
    click.echo(f"set: {goal_words(of, aim)}")


@goals.command()
@_metric
@_service
@_team
@organisation_option
@_database
def remove(metric: str, service: str, team: str, org: str, **flags: str | None) -> None:
    """Remove the goal of METRIC."""
    subject = read_goal_subject(read_goal_metric(metric), service, team)
    with existing_store(flags) as store:
        store.goals.remove(store.keys.organisation(org), subject, actor=command_actor()).result()
    click.echo("removed")


def _row(goal: Goal) -> tuple[str, ...]:
    of, metric = goal.subject, GOAL_METRICS.get(goal.subject.metric)
    words = goal_words(metric, goal.value) if metric else str(goal.value)
    at = format_second(goal.set_at_ns)
    return (of.metric, words, of.service or "all", of.team or "all", at, goal.set_by)
