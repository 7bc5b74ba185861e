"""Workflows over the API: operations in sequence, with what earlier answers named.

Schemathesis makes the requests from the description, right ones and wrong ones, and follows its
links. Each answer has to be as described, and what was deleted has to be gone.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import hypothesis
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ensure_resource_availability,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    use_after_free,
)

from asking import make_organisation
from forked_serving import forked
from theodora.storage import Store

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
"""What every answer has to pass."""
_PATCHED = (
    "PATCH /api/v2/dora/deployments/{id}",
    "PATCH /api/v2/dora/deployment/{id}",
)
"""Operations that give a deployment a verdict, after one was deleted too."""

_BUCKETS = ("DORA_READ", "DORA_WRITE", "DORA_INGEST", "UNAUTHENTICATED")
_UNLIMITED = {f"THEODORA_RATE_LIMIT_{name}": "1000000/1" for name in _BUCKETS}


class Workflows:
    """Sequences of requests to a server, with counts of them."""

    def __init__(self, url: str, store: Store) -> None:
        """`store` is that of the server at `url`."""
        schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
        self._machine = _machine(schema, store, self._count)
        self.inputs = 0
        self.accepted = 0
        self.operations: set[str] = set()
        """Those that have accepted a request."""
        self.failures: dict[str, str] = {}
        """What failed first in runs that have failed, by its title."""

    def run(self, number: int, *, steps: int, seed: int) -> None:
        """Sends so many sequences; raises the first failure, in a sequence that is short."""
        hypothesis.seed(seed)(self._machine).run(
            settings=settings(
                max_examples=number,
                stateful_step_count=steps,
                deadline=None,
                database=None,
                phases=[Phase.generate, Phase.shrink],
                suppress_health_check=list(HealthCheck),
            )
        )

    def go_on(self, number: int, *, steps: int, seed: int) -> None:
        """The same, but keeps failures."""
        try:
            self.run(number, steps=steps, seed=seed)
        except (Exception, BaseExceptionGroup) as failure:
            # Schemathesis raises a group of failures that is no `Exception`.
            report = str(failure) or repr(failure)
            self.failures.setdefault(report.partition("\n")[0], report)

    def _count(self, case: Any, response: Any) -> None:
        self.inputs += 1
        if response.status_code < 300:
            self.accepted += 1
            self.operations.add(case.operation.label)


def _machine(schema: Any, store: Store, count: Callable[[Any, Any], None]) -> Any:
    class Machine(schema.as_state_machine()):
        def setup(self) -> None:
            # With events of earlier sequences a sequence could not be repeated.
            _, self._keys = make_organisation(store)

        def get_call_kwargs(self, case: Any) -> dict[str, Any]:
            return {"headers": self._keys}

        def validate_response(self, response: Any, case: Any, **sent: Any) -> None:
            count(case, response)
            case.validate_response(
                response,
                checks=[*CHECKS, _is_gone_once_deleted, ensure_resource_availability],
                transport_kwargs=sent,
                recorder=self.recorder,
            )

    return Machine


def _is_gone_once_deleted(ctx: Any, response: Any, case: Any) -> bool | None:
    """As `use_after_free`, which takes no PATCH for something that creates."""
    if case.operation.path.endswith("/verdict") and _may_have_been_patched(ctx, case):
        return None
    return use_after_free(ctx, response, case)


def _may_have_been_patched(ctx: Any, case: Any) -> bool:
    return any(
        sent.operation.label in _PATCHED and sent.path_parameters == case.path_parameters
        for sent in ctx.internals.find_all_cases()
    )


@contextmanager
def served_workflows(folder: Path) -> Iterator[Workflows]:
    """Workflows on a server of their own, without rate limits."""
    with (
        forked(folder, environment=_UNLIMITED) as server,
        Store(server.database_url) as store,
    ):
        yield Workflows(server.url, store)
