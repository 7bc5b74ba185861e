"""Faults of the disk and of the clock of a server, by a small library that is preloaded into it."""

import errno
import shutil
import struct
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

SOURCE = Path(__file__).with_name("faults.c")
COMPILER = shutil.which("cc")
"""What compiles the library; nothing on machines without one, which know no such faults."""


class Fault(NamedTuple):
    """What fails, by its `errno`; of the clock, by how much it is wrong."""

    write: int = 0
    sync: int = 0
    read: int = 0
    spared: int = 0
    """Calls that go well before each that fails."""
    seconds: int = 0


NONE = Fault()
FULL_DISK = Fault(write=errno.ENOSPC)
WRITE_ERRORS = Fault(write=errno.EIO, spared=2)
READ_ONLY_FILES = Fault(write=errno.EROFS)
SYNC_ERRORS = Fault(sync=errno.EIO)
READ_ERRORS = Fault(read=errno.EIO, spared=2)


class Faults:
    """Faults of the processes with this environment, which change while they run."""

    def __init__(self, folder: Path) -> None:
        assert COMPILER
        self._file, library = folder / "faults", folder / "faults.so"
        flags = ["-O2", "-shared", "-fPIC", "-Wall", "-Werror"]
        subprocess.run([COMPILER, *flags, "-o", library, SOURCE, "-ldl"], check=True)
        self.environment: Mapping[str, str] = {
            "LD_PRELOAD": str(library),
            "FAULTS": str(self._file),
        }
        self.set(NONE)

    def set(self, fault: Fault) -> None:
        # Processes have mapped the file: it is not made anew.
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=5q", *fault))
