"""Single statements that the event loop sends to PostgreSQL itself, without a thread.

Each is an attempt. Whatever goes wrong or takes long, the caller has `TakesLong` and reads on a
thread, where connections are opened again and deadlines apply.
"""

import asyncio
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, LiteralString

import psycopg
from psycopg.abc import Transformer
from psycopg.adapt import PyFormat
from psycopg.adapt import Transformer as PsycopgTransformer
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from theodora.errors import TheodoraError
from theodora.storage.engine.cursor import Row
from theodora.storage.engine.database import TakesLong
from theodora.storage.engine.postgresql.connection import connect, driver_errors
from theodora.storage.engine.postgresql.cursor import without_null
from theodora.storage.engine.postgresql.translation import translated

LINES = 4
"""Connections of an event loop. The server runs the statements of one after another."""
_MOST_WAITING = 16
"""Statements on the way in one connection; further ones are read on threads."""
_LONG_SECONDS = 0.03
"""A connection whose first statement takes longer is given up: the others wait behind it."""
_CONFIGURE = (
    "SELECT set_config('default_transaction_read_only', 'on', false), "
    # The server ends what nobody waits for any more.
    "set_config('statement_timeout', '1s', false)"
)
_RECONNECT_SECONDS = 1.0
_MOST_PREPARED = 200


class LoopReader:
    """Connections for the statements of one event loop; used on its thread alone."""

    def __init__(self, url: str) -> None:
        """Has the connections opened on other threads. An event loop must be running."""
        self._url = url
        self._loop = asyncio.get_running_loop()
        self._lines: list[_PipelinedConnection] = []
        self._is_closed = False
        for _ in range(LINES):
            self._open_line()

    def ask(
        self, statement: LiteralString, values: Sequence[Any]
    ) -> "asyncio.Future[list[Row]] | None":
        """The rows, each statement in a snapshot of its own; the future may have `TakesLong`.

        None where no connection is free.
        """
        line = min(self._lines, key=_PipelinedConnection.waiting, default=None)
        if line is None or line.waiting() >= _MOST_WAITING:
            return None
        return line.ask(translated(statement), values)

    def close(self) -> None:
        self._is_closed = True
        for line in [*self._lines]:
            line.close()

    def _open_line(self) -> None:
        if not self._is_closed:
            opening = self._loop.run_in_executor(None, self._connected)
            opening.add_done_callback(self._add_line)

    def _connected(self) -> "psycopg.Connection[Row] | None":
        with suppress(TheodoraError):
            connection = connect(self._url)
            with driver_errors():
                connection.execute(_CONFIGURE)
            if not self._is_closed:
                return connection
            connection.close()
        return None

    def _add_line(self, opened: "asyncio.Future[psycopg.Connection[Row] | None]") -> None:
        connection = None if opened.cancelled() else opened.result()
        if connection is None:
            self._loop.call_later(_RECONNECT_SECONDS, self._open_line)
        elif self._is_closed:
            connection.close()
        else:
            self._lines.append(_PipelinedConnection(self._loop, connection, self._replace))

    def _replace(self, line: "_PipelinedConnection") -> None:
        self._lines.remove(line)
        if not self._is_closed:
            self._loop.call_later(_RECONNECT_SECONDS, self._open_line)


class _SentStatement:
    """A statement on its way."""

    def __init__(
        self, future: "asyncio.Future[list[Row]]", transformer: Transformer, at_sec: float
    ) -> None:
        self.future = future
        self.transformer = transformer
        self.at_sec = at_sec
        self.rows: list[Row] = []

    def take(self, result: PGresult) -> None:
        self.transformer.set_pgresult(result)
        self.rows = self.transformer.load_rows(0, result.ntuples, tuple)


class _PipelinedConnection:
    """A connection in pipeline mode: statements are sent without waiting for those before."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        connection: psycopg.Connection[Row],
        on_end: Callable[["_PipelinedConnection"], None],
    ) -> None:
        """`on_end` is called once, when the connection cannot be used any more."""
        self._loop = loop
        self._connection = connection
        self._server = connection.pgconn
        self._on_end = on_end
        self._asked: deque[_SentStatement] = deque()
        self._prepared: OrderedDict[tuple[str, tuple[int, ...]], bytes] = OrderedDict()
        self._numbered = 0
        self._alarm: asyncio.TimerHandle | None = None
        self._is_open = True
        self._server.nonblocking = 1
        self._server.enter_pipeline_mode()
        self._socket = self._server.socket
        loop.add_reader(self._socket, self._read)

    def waiting(self) -> int:
        """How many statements are on their way."""
        return len(self._asked)

    def ask(self, statement: str, values: Sequence[Any]) -> "asyncio.Future[list[Row]] | None":
        transformer: Transformer = PsycopgTransformer(self._connection)
        try:
            sent = [without_null(value) for value in values]
            bound = transformer.dump_sequence(sent, [PyFormat.AUTO] * len(sent))
        except psycopg.Error:
            return None
        future: asyncio.Future[list[Row]] = self._loop.create_future()
        self._asked.append(_SentStatement(future, transformer, time.monotonic()))
        try:
            name = self._name_of(statement, transformer.types or ())
            self._server.send_query_prepared(name, bound, transformer.formats)
            self._server.pipeline_sync()
            self._flush()
        except psycopg.Error:
            self.close()
        if self._is_open and self._alarm is None:
            self._alarm = self._loop.call_later(_LONG_SECONDS, self._check_time)
        return future

    def close(self) -> None:
        """Ends the connection, and what is on its way with `TakesLong`."""
        if not self._is_open:
            return
        self._is_open = False
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)
        if self._alarm is not None:
            self._alarm.cancel()
        # The server notices that nobody listens any more, and ends what it does.
        self._connection.close()
        while self._asked:
            _end(self._asked.popleft().future, None)
        self._on_end(self)

    def _name_of(self, statement: str, types: tuple[int, ...]) -> bytes:
        """The name of the prepared statement, which is prepared on the way if needed."""
        name = self._prepared.get((statement, types))
        if name is not None:
            self._prepared.move_to_end((statement, types))
            return name
        if len(self._prepared) >= _MOST_PREPARED:
            _, oldest = self._prepared.popitem(last=False)
            self._server.send_query_params(b"DEALLOCATE " + oldest, None)
        self._numbered += 1
        name = b"loop_%d" % self._numbered
        self._server.send_prepare(name, statement.encode(), types)
        self._prepared[statement, types] = name
        return name

    def _flush(self) -> None:
        if self._server.flush():
            self._loop.add_writer(self._socket, self._write)

    def _write(self) -> None:
        try:
            if not self._server.flush():
                self._loop.remove_writer(self._socket)
        except psycopg.Error:
            self.close()

    def _read(self) -> None:
        try:
            self._server.consume_input()
            while self._asked and not self._server.is_busy():
                self._take(self._server.get_result())
        except psycopg.Error:
            self.close()

    def _take(self, result: PGresult | None) -> None:
        if result is None:
            return
        match result.status:
            case ExecStatus.TUPLES_OK:
                self._asked[0].take(result)
            case ExecStatus.PIPELINE_SYNC:
                asked = self._asked.popleft()
                _end(asked.future, asked.rows)
            case ExecStatus.COMMAND_OK:
                pass
            case _:
                # Cancelled, say. A thread finds out what it is, and whether it stays so.
                raise psycopg.OperationalError(result.error_message.decode(errors="replace"))

    def _check_time(self) -> None:
        """Gives up if the first statement takes long: the others wait for it."""
        self._alarm = None
        if not self._asked:
            return
        rest_sec = self._asked[0].at_sec + _LONG_SECONDS - time.monotonic()
        if rest_sec > 0:
            self._alarm = self._loop.call_later(rest_sec, self._check_time)
        else:
            self.close()


def _end(future: "asyncio.Future[list[Row]]", rows: list[Row] | None) -> None:
    if future.done():
        # Whoever asked has gone.
        return
    if rows is None:
        future.set_exception(TakesLong())
    else:
        future.set_result(rows)
