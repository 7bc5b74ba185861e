"""Queries on the command line, with errors marked by a caret."""

import unicodedata

import click

from theodora.errors import Invalid
from theodora.query import Kind, Query, parse
from theodora.query.problems import query_problem

_BEFORE, _AFTER = 60, 30
"""Characters shown on either side of the place; a query may have thousands."""


def read_query(text: str, kind: Kind = Kind.DEPLOYMENT) -> Query:
    """The tree of a query; the command ends with an error where it is none."""
    try:
        return parse(text, kind)
    except Invalid as error:
        raise click.ClickException(_pointed_out(text, error)) from error


def _pointed_out(text: str, error: Invalid) -> str:
    problem = query_problem(error)
    if problem is None:
        return str(error)
    if problem.position is None:
        return f"the query cannot be read: {problem.message}"
    at = problem.position - 1
    shown = _on_one_line(text[max(0, at - _BEFORE) : at + _AFTER])
    before = _on_one_line(text[max(0, at - _BEFORE) : at])
    if at > _BEFORE:
        shown, before = f"…{shown}", f"…{before}"
    if at + _AFTER < len(text):
        shown += "…"
    caret = " " * sum(map(_columns, before)) + "^"
    return (
        f"the query cannot be read: {problem.message} at position {problem.position}\n"
        f"  {shown}\n  {caret}"
    )


def _on_one_line(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)


def _columns(character: str) -> int:
    """The width in columns of a terminal: East Asian characters take two, combining marks none."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1
