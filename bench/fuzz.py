"""Spoilt inputs for every parser and sequences of requests, until the time is up.

What fails is shown; inputs of parsers that fail are kept.

python -m bench.fuzz 10
"""

import argparse
import hashlib
import itertools
import logging
import sys
import tempfile
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom

import structlog

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from asking import make_tenant, server_in_process
from fuzz.access_parsers import ACCESS_PARSERS
from fuzz.parsers import FOUND, PARSERS
from fuzz.requests import request_parsers
from fuzz.running import Run
from fuzz.source_parsers import SOURCE_PARSERS
from fuzz.workflows import Workflows, served_workflows

_TURN_SEC = 2.0
_SEQUENCES = 25
"""Sequences in a turn."""
_STEPS = 20
_COUNTS = ("inputs", "accepted")
_SETTINGS = {
    **dict.fromkeys(("rate_limit_dora_read", "rate_limit_dora_write"), "1000000/1"),
    **dict.fromkeys(("rate_limit_dora_ingest", "rate_limit_unauthenticated"), "1000000/1"),
}


def main() -> int:
    """Prints a line for each parser; 1 if anything has failed."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("minutes", type=float)
    arguments.add_argument("--seed", type=int, default=SystemRandom().randrange(2**32))
    asked = arguments.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with (
        tempfile.TemporaryDirectory() as folder,
        server_in_process(Path(folder), **_SETTINGS) as server,
        tempfile.TemporaryDirectory() as served,
        served_workflows(Path(served)) as workflows,
    ):
        parsers = (
            *PARSERS,
            *SOURCE_PARSERS,
            *ACCESS_PARSERS,
            *request_parsers(make_tenant(*server)),
        )
        runs = [Run(parser, asked.seed) for parser in parsers]
        until = time.monotonic() + 60 * asked.minutes
        for turn in itertools.count():
            for run in runs:
                run.go_on(_TURN_SEC)
            workflows.go_on(_SEQUENCES, steps=_STEPS, seed=asked.seed + turn)
            if time.monotonic() > until:
                break
    _print(runs, workflows, asked.seed)
    return int(any(each.failures for each in (*runs, workflows)))


def _print(runs: Sequence[Run], workflows: Workflows, seed: int) -> None:
    print(f"  {f'seed {seed}':20} {'inputs':>10} {'accepted':>10} {'failures':>8}")
    for run in runs:
        _print_row(run.parser.name, run)
        for failure, data in run.failures.items():
            print(f"    {failure}: {data!r}, kept as {_keep(run, data)}")
    _print_row("workflows", workflows)
    for report in workflows.failures.values():
        print(textwrap.indent(report, "    "))
    everything = (*runs, workflows)
    inputs, accepted = (sum(getattr(run, each) for run in everything) for each in _COUNTS)
    failures = sum(len(run.failures) for run in everything)
    print(f"  {'all':20} {inputs:10,} {accepted:10,} {failures:8}")
    print(f"  {len(workflows.operations)} operations accepted a request of a workflow")


def _print_row(name: str, run: Run | Workflows) -> None:
    print(f"  {name:20} {run.inputs:10,} {run.accepted:10,} {len(run.failures):8}")


def _keep(run: Run, data: bytes) -> Path:
    file = FOUND / run.parser.name.replace(" ", "-") / hashlib.sha1(data).hexdigest()[:12]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file.relative_to(Path.cwd())


if __name__ == "__main__":
    sys.exit(main())
