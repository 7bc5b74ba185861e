"""The command `theodora`, forked from a process that has imported it.

To import it takes much longer than most commands do. Those that go on are started as usual, so that
signals reach them. Run as a program with the path of a socket,
this is that process; it ends with its standard input.
"""

import json
import os
import select
import signal
import socket
import subprocess
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("theodora"))
_CLIENT = """#!{python} -IS
import json, os, socket, sys
if {{"serve", "--every"}} & {{*sys.argv}}:
    os.execv({program!r}, sys.argv)
with socket.socket(socket.AF_UNIX) as asked:
    asked.connect({address!r})
    socket.send_fds(asked, [b"."], [0, 1, 2])
    asked.sendall(json.dumps([sys.argv, dict(os.environ), os.getcwd()]).encode())
    asked.shutdown(socket.SHUT_WR)
    sys.exit(int(asked.recv(8) or b"1"))
"""


@contextmanager
def forking(folder: Path) -> Iterator[None]:
    """A program `theodora` in the folder, for the length of a `with`."""
    address = str(folder / "theodora.socket")
    program = folder / "theodora"
    program.write_text(_CLIENT.format(python=sys.executable, program=PROGRAM, address=address))
    program.chmod(0o755)
    command = [sys.executable, __file__, address]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"ready\n"
        yield


def _serve(address: str) -> None:
    from theodora.cli import main  # noqa: PLC0415  The tests that import this module do not need it.

    # Nobody waits for the processes.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            readable, _, _ = select.select([listening, sys.stdin], [], [])
            if sys.stdin in readable:
                return
            connection, _ = listening.accept()
            with connection:
                if os.fork() == 0:
                    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                    listening.close()
                    _answer(connection, main)


def _answer(connection: socket.socket, main: object) -> None:
    """Runs the command of a client, with its files, folder and variables; ends this process."""
    status = 1
    try:
        _, files, _, _ = socket.recv_fds(connection, 1, 3)
        with connection.makefile("rb") as sent:
            arguments, environment, folder = json.load(sent)
        for ours, theirs in enumerate(files):
            os.dup2(theirs, ours)
            os.close(theirs)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        sys.argv = arguments
        status = _status(main)
    finally:
        connection.sendall(str(status).encode())
        os._exit(status)


def _status(main: object) -> int:
    """What the command ends with; its output is written then."""
    assert callable(main)
    try:
        main()
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except Exception:
        traceback.print_exc()
        return 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
    return 0


if __name__ == "__main__":
    _serve(sys.argv[1])
