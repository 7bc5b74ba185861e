"""A pack of 3 MiB, as `datadog-ci git-metadata upload` sends it, until its commits are durable.

The yardstick is `git index-pack` of the same pack in the same run: the least that anyone does
who keeps a pack. The history is made up: 4,000 commits in 288 folders of twelve files, each
commit changing one to five of them anywhere.
"""

import random
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from bench.results import note
from bench.world import BENCH
from theodora.git import PackStore
from theodora.storage import Store

COMMITS = 4_000
ROUNDS = 7

_FOLDERS = [f"src/app{a}/mod{b}/part{c}" for a in range(12) for b in range(6) for c in range(4)]
_FILES = [f"{folder}/file_{number}.py" for folder in _FOLDERS for number in range(12)]


def main() -> None:
    """Prints one line."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pack, head = make_pack(folder / "repository")
        rounds = [
            (indexed(pack, folder / f"index-{number}"), stored(pack, head, folder / f"{number}"))
            for number in range(ROUNDS)
        ]
    index_s, store_s = (statistics.median(column) for column in zip(*rounds, strict=True))
    print(
        f"pack of {len(pack) / 2**20:.2f} MiB, {COMMITS:,} commits: stored in {store_s:.2f} s, "
        f"git index-pack {index_s:.2f} s, ratio {store_s / index_s:.1f}"
    )
    note("pack of 4,000 commits", None, 1_000 * store_s, 1_000 * index_s, "ms", "git index-pack")


def make_pack(path: Path) -> tuple[bytes, str]:
    """A pack of all commits and trees of a made-up history, and the newest commit."""
    git("init", "--quiet", "--bare", str(path))
    git("-C", str(path), "fast-import", "--quiet", stdin=b"".join(history()))
    listing = ("rev-list", "--objects", "--no-object-names", "--filter=blob:none", "main")
    objects = git("-C", str(path), *listing)
    packing = ("pack-objects", "--quiet", "--stdout", "--compression=9")
    return git("-C", str(path), *packing, stdin=objects), objects[:40].decode()


def history() -> Iterator[bytes]:
    """The stream for `git fast-import`."""
    rng = random.Random(1)
    at = 1_600_000_000
    for number in range(COMMITS):
        at += rng.randrange(60, 7_200)
        message = b"Change number %d (#%d)\n\nWhat it is about: %d\n" % (number, number, at % 977)
        yield b"commit refs/heads/main\n"
        yield b"author A <a@x> %d +0000\ncommitter A <a@x> %d +0000\n" % (at - 500, at)
        yield b"data %d\n%s\n" % (len(message), message)
        for file in rng.sample(_FILES, rng.choice((1, 1, 2, 2, 3, 5))) if number else _FILES:
            yield b"M 100644 inline %s\ndata 19\n%019d\n" % (file.encode(), rng.getrandbits(60))


def indexed(pack: bytes, folder: Path) -> float:
    """Seconds that git takes to index the pack into an empty repository."""
    git("init", "--quiet", "--bare", str(folder))
    started = time.perf_counter()
    git("-C", str(folder), "index-pack", "--stdin", stdin=pack)
    return time.perf_counter() - started


def stored(pack: bytes, head: str, folder: Path) -> float:
    """Seconds until every commit of the pack, with its changed paths, is durable."""
    with Store(f"sqlite:///{folder / 'theodora.db'}") as store:
        org = store.keys.ensure_organisation("default", 1, actor=BENCH).result()
        started = time.perf_counter()
        commits = PackStore(folder / "git").receive(org.uuid, "example.org/app", head, pack)
        store.commits.add_commits(
            org, "example.org/app", commits, received=True, actor=BENCH
        ).result()
        seconds = time.perf_counter() - started
    assert len(commits) == COMMITS
    assert all(commit.paths for commit in commits)
    return seconds


def git(*arguments: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(["git", *arguments], input=stdin, check=True, capture_output=True).stdout


if __name__ == "__main__":
    main()
