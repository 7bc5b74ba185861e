"""Searches of pull requests without those that bots made."""

from theodora.query.ast import Query, all_of, complement
from theodora.query.operands import equals
from theodora.query.pull_request_fields import pull_request_field

IS_BOT = pull_request_field("is_bot")


def without_bots(query: Query) -> Query:
    return all_of((query, complement(equals(IS_BOT, "true"))))
