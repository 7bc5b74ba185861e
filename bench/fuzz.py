"""Spoilt inputs for every parser, until the time is up: what fails is kept and shown.

python -m bench.fuzz 10
"""

import argparse
import hashlib
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from random import SystemRandom

import structlog

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from asking import make_tenant, server_in_process
from fuzz.parsers import FOUND, PARSERS
from fuzz.requests import request_parsers
from fuzz.running import Run

_TURN_SEC = 2.0
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
    ):
        parsers = (*PARSERS, *request_parsers(make_tenant(*server)))
        runs = [Run(parser, asked.seed) for parser in parsers]
        until = time.monotonic() + 60 * asked.minutes
        while time.monotonic() < until:
            for run in runs:
                run.go_on(_TURN_SEC)
    _print(runs, asked.seed)
    return int(any(run.failures for run in runs))


def _print(runs: Sequence[Run], seed: int) -> None:
    print(f"  {f'seed {seed}':20} {'inputs':>10} {'accepted':>10} {'failures':>8}")
    for run in runs:
        print(f"  {run.parser.name:20} {run.inputs:10,} {run.accepted:10,} {len(run.failures):8}")
        for failure, data in run.failures.items():
            print(f"    {failure}: {data!r}, kept as {_keep(run, data)}")
    inputs, accepted = (sum(getattr(run, each) for run in runs) for each in ("inputs", "accepted"))
    failures = sum(len(run.failures) for run in runs)
    print(f"  {'all':20} {inputs:10,} {accepted:10,} {failures:8}")


def _keep(run: Run, data: bytes) -> Path:
    file = FOUND / run.parser.name.replace(" ", "-") / hashlib.sha1(data).hexdigest()[:12]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file.relative_to(Path.cwd())


if __name__ == "__main__":
    sys.exit(main())
