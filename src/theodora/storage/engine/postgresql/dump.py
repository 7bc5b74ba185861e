"""A dump of a PostgreSQL database as it was before it was migrated, made by pg_dump."""

import os
import subprocess
from contextlib import suppress
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from theodora.errors import Unavailable

_HOW_TO_GO_ON = (
    "nothing was migrated: repair it, or make a backup and run theodora migrate --no-copy"
)


def dump_database(url: str, file: Path) -> None:
    """Dumps it into the file, which is there once it is complete.

    Raises `Unavailable` with what pg_dump printed.
    """
    unfinished = file.with_name(f"{file.name}.unfinished")
    try:
        # Only its owner may read it, as it has the hashes of keys.
        os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        _run_pg_dump(url, unfinished)
        with unfinished.open("rb") as written:
            os.fsync(written.fileno())
        unfinished.replace(file)
    except FileNotFoundError as error:
        reason = "pg_dump is not installed" if error.filename == "pg_dump" else str(error)
        raise Unavailable(f"{reason}, so {_HOW_TO_GO_ON}") from error
    except (OSError, subprocess.CalledProcessError) as error:
        reason = str(getattr(error, "stderr", None) or error).strip()
        raise Unavailable(f"the dump failed, so {_HOW_TO_GO_ON}. {reason}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


def _run_pg_dump(url: str, file: Path) -> None:
    given = conninfo_to_dict(url)
    # In the environment: every user of the machine can read arguments.
    password = {"PGPASSWORD": str(given.pop("password"))} if given.get("password") else {}
    subprocess.run(  # noqa: S603 - no shell; the URL is the operator's setting
        ["pg_dump", "-Fc", "-d", make_conninfo("", **given), "-f", str(file)],  # noqa: S607
        env={**os.environ, **password},
        check=True,
        capture_output=True,
        text=True,
    )
