"""Git: commits out of uploaded packs and out of repositories. All of git is in this package.

Git itself is run for it, in processes of its own: it is on every machine that has repositories,
hostile packs have been tried on it for twenty years, and what one does to it stays in a process
that has limits.
"""

from theodora.git.backup_files import backup_files
from theodora.git.history import History, Tag, Tags
from theodora.git.mirror import MirrorStore, protocol_of
from theodora.git.packs import PackStore
from theodora.git.process import GitError

__all__ = [
    "GitError",
    "History",
    "MirrorStore",
    "PackStore",
    "Tag",
    "Tags",
    "backup_files",
    "protocol_of",
]
