"""No input brings a parser down, or keeps it busy.

Each run has a new seed, which is shown on failure; `make fuzz MINUTES=10` runs for longer. What has
failed once is in `found/` and is read in every run.
"""

import os
from random import SystemRandom

import pytest

from asking import Tenant
from databases import ON_SQLITE
from fuzz.access_parsers import ACCESS_PARSERS
from fuzz.parsers import FOUND, PARSERS, Parser
from fuzz.requests import request_parsers
from fuzz.running import Run, tried
from fuzz.source_parsers import SOURCE_PARSERS

pytestmark = ON_SQLITE

CPU_SEC = 0.15

EVERY = (*PARSERS, *SOURCE_PARSERS, *ACCESS_PARSERS)

every_parser = pytest.mark.parametrize("parser", EVERY, ids=lambda parser: parser.name)


@every_parser
def test_examples_are_accepted_and_what_failed_once_does_not_fail(parser: Parser) -> None:
    assert any(tried(parser, each) == ("", True) for each in parser.examples)
    assert [each for each in parser.found() if tried(parser, each)[0]] == []


@every_parser
def test_a_spoilt_input_is_read_or_refused_in_time(parser: Parser) -> None:
    assert_holds(parser)


def assert_holds(parser: Parser) -> None:
    seed = int(os.environ.get("THEODORA_TEST_SEED") or SystemRandom().randrange(2**32))
    run = Run(parser, seed)
    run.go_on(CPU_SEC)
    assert run.failures == {}, f"THEODORA_TEST_SEED={seed}; keep these in {FOUND}"
    assert run.inputs > 0


def test_a_spoilt_request_is_answered(tenant: Tenant) -> None:
    for parser in request_parsers(tenant):
        assert_holds(parser)


def test_what_failed_once_is_of_a_parser() -> None:
    names = {parser.name.replace(" ", "-") for parser in EVERY} | {
        "page",
        "operation",
        "MCP-message",
    }
    assert {folder.name for folder in FOUND.glob("*")} <= names
