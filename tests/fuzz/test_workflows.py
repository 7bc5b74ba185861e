"""Sequences of requests, each with what earlier answers named, are answered as described.

Each run has a new seed, which is shown on failure; `make fuzz MINUTES=10` sends more of them.
"""

import os
from pathlib import Path
from random import SystemRandom

from databases import ON_SQLITE

pytestmark = ON_SQLITE

SEQUENCES = 6
STEPS = 12


def test_sequences_of_requests_are_answered_as_described(tmp_path: Path) -> None:
    from fuzz.workflows import served_workflows  # noqa: PLC0415  Every process would load it.

    seed = int(os.environ.get("THEODORA_TEST_SEED") or SystemRandom().randrange(2**32))
    with served_workflows(tmp_path) as workflows:
        try:
            workflows.run(SEQUENCES, steps=STEPS, seed=seed)
        except BaseException as failure:
            failure.add_note(f"THEODORA_TEST_SEED={seed}")
            raise
    assert workflows.accepted > 0
