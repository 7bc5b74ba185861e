"""`theodora serve`: the first start, starts that fail, and stopping."""

import re
import signal
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import apsw
import pytest

import serving
from commands import run
from forked_serving import command_forked
from theodora.cli.invocation import program
from theodora.storage.engine.sqlite.database import migrate_file


def failed_start(folder: Path, *flags: str, **environment: str) -> str:
    """What a server that cannot start says; it ends at once, with status 1."""
    known = {"THEODORA_DATABASE": f"sqlite:///{folder / 'theodora.db'}", **environment}
    done = command_forked("serve", *(flags or ("--port", "0")), environment=known)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "is listening" not in done.stdout
    return done.stderr


def test_keys_are_printed_on_the_first_start_alone(tmp_path: Path) -> None:
    printed: list[str] = []
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-m", "theodora", "serve", "--port", "0"],
            env={"THEODORA_DATABASE": f"sqlite:///{tmp_path / 'theodora.db'}"},
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout
        assert "is listening on http://127.0.0.1:" in process.stdout.readline()
        process.terminate()
        with process.stdout:
            printed.append(process.stdout.read())
        assert process.wait(timeout=30) == 0
    assert re.search(r"  api key: thd_api_\w{32}\n  application key: thd_app_\w{32}\n", printed[0])
    assert "key" not in printed[1]


_SHOW_COLLECTOR = """
import gc, os, sys
from theodora.cli import main

class Shown:
    def __init__(self, *_):
        pass

    def run(self, sockets):
        print("collector", gc.get_freeze_count(), gc.get_threshold()[0], flush=True)
        os._exit(0)

sys.modules["theodora.cli.serve"].Server = Shown
main(["serve", "--port", "0"])
"""


def test_a_server_seldom_looks_for_cycles(tmp_path: Path) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", _SHOW_COLLECTOR],
        env={"THEODORA_DATABASE": f"sqlite:///{tmp_path / 'theodora.db'}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    ).stdout
    frozen, new = shown.partition("collector ")[2].split()[:2]
    assert int(frozen) > 50_000, "all that it has started with"
    assert int(new) == 10_000


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_told_to_stop_ends_well(tmp_path: Path, number: signal.Signals) -> None:
    with serving.serving(tmp_path) as server:
        server.process.send_signal(number)
        assert server.process.wait(timeout=30) == 0
    assert "Traceback" not in (tmp_path / "server.log").read_text()


def test_a_server_ends_well_while_an_import_beside_it_goes_on(tmp_path: Path) -> None:
    with serving.serving(tmp_path) as server:
        command = ["import", "deployments", "-", "--database", server.database_url]
        with subprocess.Popen(
            [sys.executable, "-m", "theodora", *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as importing:
            assert importing.stdin
            assert importing.stdout
            lines = [
                f'{{"service":"web","started_at":{n},"finished_at":{n}}}\n' for n in range(1, 99)
            ]
            importing.stdin.writelines(lines[:50])
            importing.stdin.flush()
            # It waits for more lines.
            assert server.stop() == 0
            importing.stdin.writelines(lines[50:])
            importing.stdin.close()
            assert "98" in importing.stdout.read()
        assert importing.returncode == 0
    assert "Traceback" not in (tmp_path / "server.log").read_text()


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "theodora.db").write_bytes(b"no database at all " * 500)
    assert "theodora.db is not a sound SQLite database" in failed_start(tmp_path)


def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "theodora.db"
    migrate_file(path)
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("INSERT INTO migrations VALUES (9999, 'to come', 1)")
    said = failed_start(tmp_path)
    assert "the database is at migration 9999, this version knows" in said
    assert "start the newer version" in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (("--port", "many"), '--port: "many" must be a whole number from 0 to 65,535'),
        (("--workers", "-1"), '--workers: "-1" must be a whole number from 1 to 256'),
        (("--timestamps", "both"), '--timestamps: "both" must be one of auto unix_ns rfc3339'),
        (
            ("--rate-limit-dora-read", "3"),
            '--rate-limit-dora-read: "3" must be requests/seconds, for example 6000/60',
        ),
        (("--port", "0", "--database", "mysql://x"), "must have the form sqlite:///"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(flags: tuple[str, ...], said: str) -> None:
    done = run("serve", *flags)
    assert done.exit_code == 1
    assert said in done.stderr


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = str(taken.getsockname()[1])
        said = failed_start(tmp_path, "--port", port)
    assert f"cannot listen on 127.0.0.1 port {port}: " in said
    assert f"choose another: {program()} serve --port {int(port) + 1}" in said


def test_a_port_that_is_taken_is_told_as_make_wants_it(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        flags = ("--demo", "--log-level", "error", "--port", str(port))
        said = failed_start(tmp_path, *flags, THEODORA_MAKE_SERVE="yes")
    assert f'choose another: make serve FLAGS="--log-level error --port {port + 1}"' in said
