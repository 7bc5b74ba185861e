"""What is remembered of the texts of events."""

import tracemalloc

from theodora.events import Deployment
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.events.terms import posted, searched_words


def test_texts_that_never_come_again_take_no_memory_for_ever() -> None:
    def index(numbers: range) -> None:
        for number in numbers:
            event = Deployment(
                id=f"deployment-{number:08}",
                service="web",
                started_at_ns=1,
                finished_at_ns=1,
                custom_tags=(f"build:{number}",),
            )
            assert str(number) in searched_words(DEPLOYMENTS, event)
            assert posted(DEPLOYMENTS, event).numbers == [("@build", number)]

    tracemalloc.start()
    try:
        index(range(4_200))
        before, _ = tracemalloc.get_traced_memory()
        index(range(4_200, 7_000))
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 300_000
