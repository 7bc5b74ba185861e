"""Event loops of tests."""

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any


def run_on_new_thread(work: Coroutine[Any, Any, None]) -> None:
    """Runs it to its end. On this thread, the loop of a browser may be running already."""
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, work).result()
