"""Turns of several processes that write one SQLite file."""

import threading
import time
from pathlib import Path

from theodora.storage.engine.sqlite.connection import connect_writer

HELD_SECONDS, FREE_SECONDS = 0.15, 0.01
TIMES = 6


def test_whoever_waits_writes_between_two_transactions_of_another(tmp_path: Path) -> None:
    file = tmp_path / "theodora.db"
    waiting, busy = connect_writer(file), connect_writer(file)
    done, transactions = threading.Event(), 0

    def keep_writing() -> None:
        nonlocal transactions
        while not done.is_set():
            busy.execute("BEGIN IMMEDIATE")
            time.sleep(HELD_SECONDS)
            busy.execute("COMMIT")
            transactions += 1
            time.sleep(FREE_SECONDS)

    thread = threading.Thread(target=keep_writing)
    thread.start()
    try:
        while not transactions:
            time.sleep(0.001)
        for _ in range(TIMES):
            time.sleep(2 * FREE_SECONDS)
            waiting.execute("BEGIN IMMEDIATE")
            waiting.execute("COMMIT")
    finally:
        done.set()
        thread.join()
    # One for each, and some more where this thread was late.
    assert transactions <= 2 * TIMES + 2
