"""Mirrors of remote repositories: commits and trees of all branches and tags, no blobs."""

import fcntl
import hashlib
import re
from pathlib import Path
from shutil import rmtree

from theodora.errors import Invalid, Problem, Unavailable
from theodora.events import without_credentials
from theodora.git.history import History
from theodora.git.process import environment_of, fetch

_SCHEME = re.compile(r"([a-z][a-z+.-]*)://", re.IGNORECASE)
_PROTOCOLS = frozenset(("https", "http", "ssh", "git", "file"))
_CONTROL = re.compile(r"[\x00-\x20\x7f]")

_REFERENCES = ("+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*")
_CONFIG = """[core]
\trepositoryformatversion = 1
\tbare = true
[extensions]
\tpartialClone = origin
[remote "origin"]
\tpromisor = true
\tpartialCloneFilter = blob:none
"""


def protocol_of(url: str) -> str:
    """The protocol of a repository's URL; `Invalid` for a URL that cannot be mirrored.

    A URL must not contain credentials, because it is stored, shown and logged.
    """
    scheme = _SCHEME.match(url)
    protocol = scheme[1].lower() if scheme else "file" if url.startswith("/") else "ssh"
    if protocol not in _PROTOCOLS:
        raise Invalid(Problem(f'repositories cannot be fetched over "{protocol}"'))
    if not scheme and protocol == "ssh" and not re.match(r"[\w.@-]+:[^:]", url):
        raise Invalid(Problem("it is neither a URL nor an absolute path"))
    if url.startswith("-") or _CONTROL.search(url):
        raise Invalid(Problem("it has characters that no URL has"))
    if without_credentials(url) != url:
        raise Invalid(
            Problem("it holds credentials; name a git credential helper in the settings instead")
        )
    return protocol


class MirrorStore:
    """The mirrors, each a bare repository in one folder, which several processes may share."""

    def __init__(self, folder: Path, credential_helper: str = "") -> None:
        """`credential_helper` is as in git's settings: `store --file=/run/secrets/git`."""
        self._folder = folder.absolute() / "mirrors"
        self._credential_helper = credential_helper

    def fetch(self, org: str, repository_id: str, url: str) -> History:
        """Brings the mirror up to date, making it if there is none.

        Raises `GitError` if git fails, `Unavailable` if another process is updating it.
        """
        protocol = protocol_of(url)
        directory = self._directory(org, repository_id)
        with (directory / "fetching").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Unavailable(f"{repository_id} is just being fetched") from None
            fetch(
                [
                    *("-c", f"remote.origin.url={url}", "fetch", "--quiet", "--prune", "--no-tags"),
                    # A remote that is a shallow clone is taken as it is, until it has more history.
                    "--update-shallow",
                    *(["--unshallow"] if (directory / "shallow").exists() else []),
                ],
                _REFERENCES,
                protocol=protocol,
                credential_helper=self._credential_helper,
                environment=environment_of(directory),
            )
        return History(directory)

    def remove(self, org: str, repository_id: str) -> None:
        """Removes the mirror's folder, if there is one."""
        rmtree(self._directory(org, repository_id), ignore_errors=True)

    def _directory(self, org: str, repository_id: str) -> Path:
        directory = self._folder / mirror_name(org, repository_id)
        if not (directory / "HEAD").exists():
            for part in ("objects", "refs"):
                (directory / part).mkdir(parents=True, exist_ok=True)
            (directory / "config").write_text(_CONFIG)
            (directory / "HEAD").write_text("ref: refs/heads/main\n")
        if not (directory / "repository").exists():  # Mirrors of older versions have none.
            (directory / "repository").write_text(f"{repository_id}\n", errors="replace")
        return directory


def mirror_name(org: str, repository_id: str) -> str:
    """The name of a mirror's folder."""
    return hashlib.sha256(f"{org}\n{repository_id}".encode()).hexdigest()[:32]
