"""A store behind PgBouncer, set up as docs/postgresql.md says."""

import os
import re
import socket
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import pytest

from actors import TESTER
from blocks import TOP
from databases import Databases
from postgresql import PostgresqlServer
from theodora.errors import Unavailable
from theodora.events import Deployment
from theodora.storage import Store
from theodora.storage.engine.postgresql.connection import SESSION, connect

_PGBOUNCER = Path("/usr/sbin/pgbouncer")
_PAGE = (TOP / "docs/postgresql.md").read_text()
_FOR_ROLE = re.compile(r"^ALTER ROLE theodora SET (\w+) = (\w+);$", re.MULTILINE)
_FOR_POOLER = re.compile(r"`(ignore_startup_parameters = \w+)`")

needs_pgbouncer = pytest.mark.skipif(
    not _PGBOUNCER.exists(), reason="PgBouncer is not installed: apt-get install pgbouncer"
)


@contextmanager
def pooled(server: PostgresqlServer, url: str, *settings: str) -> Generator[str]:
    """The URL of the same database through PgBouncer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "pgbouncer.ini"
        lines = (
            *("[databases]", f"* = host=127.0.0.1 port={server.port} user=theodora"),
            *("[pgbouncer]", "listen_addr = 127.0.0.1", f"listen_port = {port}"),
            *("unix_socket_dir =", "auth_type = any", "pool_mode = session", *settings),
        )
        file.write_text("\n".join(lines))
        # It refuses to run as root.
        Path(name).chmod(0o755)
        as_user = ["-u", "nobody"] if os.geteuid() == 0 else []
        process = subprocess.Popen(
            [_PGBOUNCER, *as_user, file], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait_for(port)
            yield url.replace(f":{server.port}/", f":{port}/")
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_for(port: int) -> None:
    until_sec = time.monotonic() + 30
    while time.monotonic() < until_sec:
        with suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port)):
            return
        time.sleep(0.02)
    raise AssertionError("PgBouncer does not listen")


@pytest.fixture
def url(postgresql_databases: Databases, tmp_path: Path) -> Iterator[str]:
    with postgresql_databases.new(tmp_path) as url:
        yield url


def test_the_page_gives_a_role_what_a_session_has() -> None:
    assert dict(_FOR_ROLE.findall(_PAGE)) == SESSION


@needs_pgbouncer
def test_a_store_behind_a_pooler_of_sessions_serves_as_ever(
    url: str, postgresql_server: PostgresqlServer
) -> None:
    with (
        pooled(postgresql_server, url) as strict,
        pytest.raises(Unavailable, match="unsupported startup parameter: options"),
    ):
        Store(strict)
    [setting] = _FOR_POOLER.findall(_PAGE)
    for name, value in _FOR_ROLE.findall(_PAGE):
        postgresql_server.execute(f"ALTER ROLE theodora SET {name} = {value}")
    try:
        with pooled(postgresql_server, url, setting) as lenient:
            with closing(connect(lenient)) as connection:
                for name, value in SESSION.items():
                    assert connection.execute(f"SHOW {name}").fetchone() == (value,)  # type: ignore[arg-type]
            with Store(lenient) as store:
                org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
                added = [
                    store.deployments.add(
                        org,
                        Deployment(id=f"d{number}", service="a", started_at_ns=1, finished_at_ns=2),
                        1,
                        actor=TESTER,
                    )
                    for number in range(20)
                ]
                for each in added:
                    each.result(timeout=60)
                assert store.derivations.derive_all_queued(actor=TESTER) == 1
                assert store.deployments.count() == 20
    finally:
        postgresql_server.execute("ALTER ROLE theodora RESET ALL")
