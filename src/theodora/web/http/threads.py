"""Work of a request on a thread: it ends when its time is up, or nobody waits for it any more."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect
from starlette.types import Receive

from theodora.errors import TooSlow
from theodora.storage import Deadline, run_under

T = TypeVar("T")


async def run_on_thread(
    executor: Executor, seconds: float, receive: Receive, work: Callable[..., T], *arguments: Any
) -> T:
    """Runs `work` on a thread and returns its result.

    Its reads raise `TooSlow` after so many seconds, including the wait for a thread.
    Raises `ClientDisconnect` if the client has left.
    """
    gone = asyncio.ensure_future(disconnected(receive))
    try:
        return await run_while_awaited(gone, executor, seconds, work, *arguments)
    finally:
        gone.cancel()


async def run_while_awaited(
    gone: asyncio.Future[None],
    executor: Executor,
    seconds: float,
    work: Callable[..., T],
    *arguments: Any,
) -> T:
    """The same for a client whose leaving ends `gone`."""
    loop = asyncio.get_running_loop()
    deadline = Deadline(seconds)
    running = loop.run_in_executor(executor, run_under, deadline, work, *arguments)
    # To interrupt a statement may take a message to the database's server: not on this thread.
    alarm = loop.call_later(seconds, lambda: loop.run_in_executor(None, deadline.interrupt))

    def stop(done: asyncio.Future[None]) -> None:
        if not done.cancelled():
            loop.run_in_executor(None, deadline.stop)

    gone.add_done_callback(stop)
    try:
        return await running
    except TooSlow:
        # Stopping the read is how a left client ends it: there is nobody to answer.
        if gone.done():
            raise ClientDisconnect from None
        raise
    except asyncio.CancelledError:
        # The server stops, and its time for that is up.
        deadline.stop()
        if gone.done():
            raise ClientDisconnect from None
        raise
    finally:
        alarm.cancel()
        gone.remove_done_callback(stop)


async def disconnected(receive: Receive) -> None:
    """Waits until the client is gone; a body that it sends meanwhile is read and dropped."""
    while (await receive())["type"] != "http.disconnect":
        pass
