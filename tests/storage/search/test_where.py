"""Conditions that SQLite checks without a step of Python."""

from concurrent.futures import ThreadPoolExecutor

from actors import TESTER
from databases import ON_SQLITE
from theodora.events import Deployment
from theodora.query import Kind, parse, sort_key
from theodora.storage import Organisation, Selection, Store
from theodora.storage.engine.sqlite.functions import TURNS

_PATIENCE_SECONDS = 20


@ON_SQLITE
def test_wildcards_in_words_that_fit_nowhere_are_ruled_out_without_python(
    store: Store, org: Organisation
) -> None:
    event = Deployment(service="checkout", started_at_ns=1, finished_at_ns=1)
    store.deployments.add(org, event, 1, actor=TESTER).result()
    by_start = sort_key("started_at", Kind.DEPLOYMENT)
    assert by_start

    def count(query: str) -> int:
        return len(
            store.deployments.select(org, Selection(query=parse(query), sort=by_start, limit=9))
        )

    with ThreadPoolExecutor(1) as thread:
        # Whoever computes in Python has to wait for it.
        with TURNS:
            for query in ("c*z*t OR *out-z*", "*:*zzz*", "*:rust", "*:r*st", "*:falsehood"):
                assert thread.submit(count, query).result(_PATIENCE_SECONDS) == 0, query
            for query in ("*eck*", "*out", "check*", "*:*eck*"):
                assert thread.submit(count, query).result(_PATIENCE_SECONDS) == 1, query
        assert thread.submit(count, "c*k*t").result(_PATIENCE_SECONDS) == 1
