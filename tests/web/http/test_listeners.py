"""Listeners: one poll for all of an organisation, within limits, fair, and ended at once."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from loops import run_on_new_thread
from theodora.errors import Unavailable
from theodora.storage import Organisation
from theodora.web.http.listeners import Listener, ListenerLimits, Listeners
from theodora.web.http.responses import Reply

ONE, OTHER = Organisation(1, "1", "one"), Organisation(2, "2", "other")
OPEN = Reply(200, b"", "text/event-stream")
CHANGED = b"data: changed\n\n"


class Client:
    """A client with an open stream, and what it has received."""

    def __init__(self, listeners: Listeners, listener: Listener) -> None:
        self.status = 0
        self.received: list[bytes] = []
        self._gone = asyncio.Event()
        self.stream = asyncio.create_task(
            listeners.listen(listener, OPEN, self._receive, self._send)
        )

    async def _receive(self) -> Any:
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Any) -> None:
        self.status = message.get("status", self.status)
        self.received.append(message.get("body", b""))

    async def leave(self) -> None:
        self._gone.set()
        await self.stream

    @property
    def changes(self) -> int:
        return self.received.count(CHANGED)


class Numbers:
    """The newest change of each organisation, and how often it was asked for."""

    def __init__(self) -> None:
        self.asked = 0
        self.newest = {ONE.key: 5, OTHER.key: 5}
        self.is_down = False

    async def read(self, org: Organisation) -> int:
        self.asked += 1
        if self.is_down:
            raise Unavailable
        return self.newest[org.key]


def limits(**others: Any) -> ListenerLimits:
    return ListenerLimits(**{"poll_seconds": 0.01, **others})


def run(test: Callable[[Numbers], Coroutine[Any, Any, None]]) -> None:
    run_on_new_thread(asyncio.wait_for(test(Numbers()), 20))


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():
        await asyncio.sleep(0.002)


async def polls(numbers: Numbers, count: int = 3) -> None:
    asked = numbers.asked
    await until(lambda: numbers.asked >= asked + count)


def test_all_listeners_of_an_organisation_share_one_poll_and_hear_of_its_changes_alone() -> None:
    async def test(numbers: Numbers) -> None:
        listeners = Listeners(numbers.read, limits(poll_seconds=0.05))
        own = [Client(listeners, Listener(ONE, number, "::1")) for number in range(20)]
        other = Client(listeners, Listener(OTHER, "key", "::1"))
        await until(lambda: all(each.received for each in (*own, other)))
        assert numbers.asked == 2
        numbers.newest[ONE.key] += 1
        await until(lambda: all(each.changes for each in own))
        await polls(numbers, 4)
        assert {each.changes for each in own} == {1}
        assert not other.changes
        for each in (*own, other):
            await each.leave()
        asked = numbers.asked
        await asyncio.sleep(0.1)
        assert numbers.asked == asked

    run(test)


def test_a_change_while_the_store_is_away_is_told_once_it_is_back() -> None:
    async def test(numbers: Numbers) -> None:
        listeners = Listeners(numbers.read, limits())
        client = Client(listeners, Listener(ONE, "key", "::1"))
        await until(lambda: bool(client.received))
        numbers.is_down = True
        await polls(numbers)
        numbers.newest[ONE.key] += 1
        numbers.is_down = False
        await until(lambda: client.changes == 1)
        await client.leave()

    run(test)


@pytest.mark.parametrize("most", ["most_of_one", "most_of_address"])
def test_one_key_or_address_has_so_many_streams_and_no_more(most: str) -> None:
    async def test(numbers: Numbers) -> None:
        listeners = Listeners(numbers.read, limits(**{most: 2}))
        is_of_key = most == "most_of_one"

        def client(number: int) -> Client:
            who, address = ("key", str(number)) if is_of_key else (str(number), "::1")
            return Client(listeners, Listener(ONE, who, address))

        first, second = client(1), client(2)
        await until(lambda: bool(first.status and second.status))
        third = client(3)
        await third.stream
        assert third.status == 429
        await first.leave()
        fourth = client(4)
        await until(lambda: bool(fourth.status))
        assert fourth.status == 200
        for each in (second, fourth):
            await each.leave()

    run(test)


def test_the_organisation_with_the_most_gives_way_until_shares_are_equal() -> None:
    async def test(numbers: Numbers) -> None:
        listeners = Listeners(numbers.read, limits(most=4))
        many = [Client(listeners, Listener(ONE, number, str(number))) for number in range(4)]
        await until(lambda: all(each.status for each in many))
        few = [Client(listeners, Listener(OTHER, number, f"b{number}")) for number in range(3)]
        await until(lambda: all(each.status for each in few))
        await until(lambda: many[3].stream.done() and many[2].stream.done())
        assert [each.status for each in few] == [200, 200, 429]
        assert not many[0].stream.done()
        for each in (*many, *few):
            await each.leave()

    run(test)


def test_a_stream_beats_and_ends_by_itself_so_that_it_is_checked_anew() -> None:
    async def test(numbers: Numbers) -> None:
        listeners = Listeners(numbers.read, limits(heartbeat_seconds=0.02, seconds=0.1))
        client = Client(listeners, Listener(ONE, "key", "::1"))
        await client.stream
        assert client.received[1].startswith(b"retry: ")
        assert client.received.count(b":\n\n") >= 2
        assert client.received[-1] == b""

    run(test)


def test_the_end_of_the_server_ends_them_all_and_lets_none_in() -> None:
    async def test(numbers: Numbers) -> None:
        listeners = Listeners(numbers.read, limits())
        clients = [Client(listeners, Listener(ONE, number, "::1")) for number in range(50)]
        await until(lambda: all(each.status for each in clients))
        listeners.close()
        await asyncio.gather(*(each.stream for each in clients))
        late = Client(listeners, Listener(ONE, "late", "::1"))
        await late.stream
        assert late.status == 429

    run(test)
