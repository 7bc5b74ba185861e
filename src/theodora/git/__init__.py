"""Git: commits from uploaded packs and from repositories.

Runs the git program in processes of their own: every machine with repositories has it, it has
resisted hostile packs for twenty years, and damage stays in a process with limits. Only this
package uses git.
"""

from theodora.git.backup_files import backup_files
from theodora.git.history import GitTag, History, Tags
from theodora.git.mirror import MirrorStore, protocol_of
from theodora.git.packs import PackStore
from theodora.git.process import GitError
from theodora.git.removal import remove_folders

__all__ = [
    "GitError",
    "GitTag",
    "History",
    "MirrorStore",
    "PackStore",
    "Tags",
    "backup_files",
    "protocol_of",
    "remove_folders",
]
