"""Git repositories for tests, made by git itself, packs, sound and unsound, and mere commits."""

import hashlib
import os
import subprocess
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from theodora.dora import Commit

_SECOND_NS = 10**9
_ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "C",
    "GIT_COMMITTER_EMAIL": "c@example.org",
}
_FIELDS = "%x01%H%x02%P%x02%ad%x02%ct%x02%an%x02%ae%x02%s%x02%B%x02"

KINDS = {"commit": 1, "tree": 2, "blob": 3, "tag": 4, "ofs_delta": 6, "ref_delta": 7}


@dataclass(frozen=True)
class GitRepository:
    """A repository whose commits are an hour apart."""

    path: Path
    times: "count[int]"

    def git(self, *arguments: str, stdin: bytes = b"", **environment: str) -> bytes:
        return subprocess.run(
            ["git", "-C", str(self.path), *arguments],
            check=True,
            input=stdin,
            capture_output=True,
            env={**_ENVIRONMENT, **environment},
        ).stdout

    def commit(
        self,
        message: str,
        files: Mapping[str, str | None] = {},
        *options: str,
        author_time: int = 0,
    ) -> str:
        """Commits these files on top of what is checked out; None removes one. The SHA."""
        for name, text in files.items():
            file = self.path / name
            if text is None:
                file.unlink()
            else:
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text)
        at = next(self.times)
        dates = {
            "GIT_AUTHOR_DATE": f"{author_time or at - 600} +0200",
            "GIT_COMMITTER_DATE": f"{at} +0200",
        }
        self.git("add", "--all")
        self.git("commit", "--allow-empty", "--quiet", "-m", message, *options, **dates)
        return self.sha("HEAD")

    def merge(self, branch: str) -> str:
        at = f"{next(self.times)} +0000"
        dates = {"GIT_AUTHOR_DATE": at, "GIT_COMMITTER_DATE": at}
        self.git("merge", "--quiet", "--no-ff", "-m", f"Merge {branch}", branch, **dates)
        return self.sha("HEAD")

    def tag(self, name: str, *options: str) -> int:
        """Tags what is checked out; the time that an annotated tag gets."""
        at = next(self.times)
        self.git("tag", *options, name, GIT_COMMITTER_DATE=f"{at} +0000")
        return at

    def sha(self, name: str) -> str:
        return self.git("rev-parse", name).decode().strip()

    def objects(self, *revisions: str) -> list[str]:
        """Commits and trees, commits first, as `datadog-ci` asks for them."""
        options = ("--objects", "--no-object-names", "--filter=blob:none")
        return self.git("rev-list", *options, *(revisions or ("--all",))).decode().split()

    def pack(self, objects: Iterable[str], *options: str) -> bytes:
        stdin = "".join(f"{sha}\n" for sha in objects).encode()
        return self.git("pack-objects", "--stdout", "--quiet", *options, stdin=stdin)

    def log(self) -> dict[str, Commit]:
        """Every commit as `git log` tells of it, its paths against its first parent."""
        options = ("--name-only", "--no-renames", "--diff-merges=first-parent")
        output = self.git("log", "--all", "-z", "--date=raw", f"--format={_FIELDS}", *options)
        return {commit.sha: commit for commit in map(_logged, output.decode().split("\x01")[1:])}


def make_repository(path: Path, *options: str) -> GitRepository:
    path.mkdir(parents=True)
    repository = GitRepository(path, count(1_693_491_600, 3_600))
    repository.git("init", "--quiet", "--initial-branch=main", *options)
    return repository


def _logged(record: str) -> Commit:
    sha, parents, author_date, commit_time, *names_and_texts = record.split("\x02")
    author_name, author_email, subject, message, names = names_and_texts
    paths = (name.removeprefix("\n") for name in names.split("\0"))
    return Commit(
        sha=sha,
        parents=tuple(parents.split()),
        author_time_ns=int(author_date.split()[0]) * _SECOND_NS,
        author_offset_minutes=_minutes(author_date.split()[1]),
        commit_time_ns=int(commit_time) * _SECOND_NS,
        subject=subject,
        message=message.rstrip("\n"),
        author_name=author_name,
        author_email=author_email,
        paths=tuple(sorted(path for path in paths if path)),
    )


def _minutes(clock: str) -> int:
    """`-0130` → -90."""
    minutes = int(clock[1:3]) * 60 + int(clock[3:])
    return -minutes if clock.startswith("-") else minutes


def object_sha(kind: str, data: bytes) -> str:
    header = f"{kind} {len(data)}\0".encode()
    return hashlib.sha1(header + data).hexdigest()


def make_pack(
    objects: Sequence[tuple[str, bytes]], *, says: int | None = None, version: int = 2
) -> bytes:
    """A pack of whole objects, and deltas with their base before their data; right or not."""
    pack = b"PACK" + version.to_bytes(4, "big")
    pack += (len(objects) if says is None else says).to_bytes(4, "big")
    for kind, data in objects:
        base, rest = (data[:20], data[20:]) if kind == "ref_delta" else (b"", data)
        pack += _entry_header(KINDS[kind], len(rest)) + base + zlib.compress(rest)
    return pack + hashlib.sha1(pack).digest()


def _entry_header(kind: int, size: int) -> bytes:
    first, size = kind << 4 | size & 15, size >> 4
    header = bytearray()
    while size:
        header.append(first | 0x80)
        first, size = size & 0x7F, size >> 7
    header.append(first)
    return bytes(header)


def tree_data(*entries: tuple[str, bytes, str]) -> bytes:
    """A tree of entries of mode, name and SHA."""
    return b"".join(
        mode.encode() + b" " + name + b"\0" + bytes.fromhex(sha) for mode, name, sha in entries
    )


def commit_data(
    tree: str, *parents: str, message: str = "x", author: str = "A <a> 1 +0000"
) -> bytes:
    lines = [f"tree {tree}", *(f"parent {sha}" for sha in parents)]
    lines += [f"author {author}", "committer C <c> 1693491974 +0000", "", message]
    return "\n".join(lines).encode()


def hourly_commits(shas: Sequence[str], start_ns: int) -> list[Commit]:
    """A commit an hour, each the child of the one before."""
    return [
        Commit(
            sha=sha,
            parents=(shas[number - 1],) if number else (),
            author_time_ns=start_ns + number * 3_600 * _SECOND_NS,
            commit_time_ns=start_ns + number * 3_600 * _SECOND_NS,
        )
        for number, sha in enumerate(shas)
    ]
