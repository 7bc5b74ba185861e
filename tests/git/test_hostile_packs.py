"""Packs made to do harm: refused with a reason, or read at a bounded cost."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from repositories import commit_data, make_pack, object_sha, tree_data
from theodora.errors import Invalid
from theodora.git import PackStore

BLOB = "1" * 40
EMPTY_TREE = object_sha("tree", b"")
GOOD = make_pack([("commit", commit_data(EMPTY_TREE)), ("tree", b"")])


def with_tree(*entries: tuple[str, bytes, str]) -> bytes:
    """A sound pack of one commit, whose tree has these entries."""
    tree = tree_data(*entries)
    return make_pack([("commit", commit_data(object_sha("tree", tree))), ("tree", tree)])


def resealed(pack: bytes) -> bytes:
    """A pack that was tampered with, with a checksum that is right again."""
    return pack[:-20] + hashlib.sha1(pack[:-20]).digest()


def with_wrong_size(pack: bytes) -> bytes:
    return resealed(pack[:12] + bytes([pack[12] ^ 1]) + pack[13:])


HOSTILE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "it is not a pack"),
    "text": (b"Hello", "it is not a pack"),
    "another version": (make_pack([], version=3), "it is not of version 2"),
    "a header alone": (GOOD[:12], "early EOF"),
    "half of it": (GOOD[: len(GOOD) // 2], "early EOF"),
    "without its end": (GOOD[:-5], "early EOF"),
    "wrong checksum": (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "pack is corrupted"),
    "wrong size of an object": (with_wrong_size(GOOD), "inflate"),
    "broken compression": (resealed(GOOD[:20] + b"\xff" * 9 + GOOD[29:]), "inflate"),
    "more after its end": (GOOD + b"more", "there is more after its end"),
    "promises more objects": (make_pack([("tree", b"")], says=2), ""),
    "promises four thousand million objects": (
        make_pack([], says=2**32 - 1),
        "it has more than 1000000 objects",
    ),
    "promises a million objects": (make_pack([], says=1_000_000), ""),
    "a delta without its base": (
        make_pack([("ref_delta", b"\x07" * 20 + b"\x01\x01\x01a")]),
        "unresolved delta",
    ),
    "a delta with itself as base": (make_pack([("ofs_delta", b"\x00\x01\x01\x01a")]), ""),
    "a commit without a tree": (make_pack([("commit", b"hello\n\nx")]), "has no tree"),
    "a commit that is empty": (make_pack([("commit", b"")]), "has no tree"),
    "a tree that is text": (
        make_pack([("commit", commit_data(object_sha("tree", b"text"))), ("tree", b"text")]),
        "is malformed",
    ),
    "a tree cut short": (
        make_pack(
            [
                ("commit", commit_data(object_sha("tree", b"100644 a\0short"))),
                ("tree", b"100644 a\0short"),
            ]
        ),
        "is malformed",
    ),
    "a path upwards": (with_tree(("100644", b"..", BLOB)), "no file name"),
    "a folder upwards": (with_tree(("40000", b"..", EMPTY_TREE)), "no file name"),
    "a path into git's own folder": (with_tree(("100644", b".git", BLOB)), "no file name"),
    "a path with slashes": (with_tree(("100644", b"../../etc/passwd", BLOB)), "is malformed"),
    "a path from the root": (with_tree(("100644", b"/etc/passwd", BLOB)), "is malformed"),
    "a path without a name": (with_tree(("100644", b"", BLOB)), "is malformed"),
    "a path with NUL": (with_tree(("100644", b"a\0b", BLOB)), "is malformed"),
    "a mode that is no number": (with_tree(("9z", b"a", BLOB)), "is malformed"),
}

LARGE: dict[str, Callable[[], bytes]] = {
    "a tree that unpacks to 100 MB": lambda: make_pack(
        [("commit", commit_data(EMPTY_TREE)), ("tree", bytes(100_000_000))]
    ),
    "a commit that unpacks to 100 MB": lambda: make_pack(
        [("commit", commit_data(EMPTY_TREE, message="x" * 100_000_000))]
    ),
    "a million entries in a tree": lambda: with_tree(
        *(("100644", b"%d" % number, BLOB) for number in range(1_000_000))
    ),
}
"""Made when they are needed: that takes seconds, and every process of the tests reads this file."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "packs"


@pytest.fixture
def receive(folder: Path) -> Callable[[bytes], object]:
    packs = PackStore(folder)
    return lambda pack: packs.receive("org", "example.org/app", "a" * 40, pack)


@pytest.mark.parametrize("name", HOSTILE)
def test_an_unsound_pack_is_refused_and_nothing_of_it_kept(
    receive: Callable[[bytes], object], folder: Path, name: str
) -> None:
    assert_refused(receive, folder, *HOSTILE[name])


@pytest.mark.parametrize("name", LARGE)
def test_a_pack_that_grows_is_refused_and_nothing_of_it_kept(
    receive: Callable[[bytes], object], folder: Path, name: str
) -> None:
    assert_refused(receive, folder, LARGE[name](), "is longer than")


def assert_refused(
    receive: Callable[[bytes], object], folder: Path, pack: bytes, reason: str
) -> None:
    started = time.monotonic()
    with pytest.raises(Invalid) as refused:
        receive(pack)
    assert reason in str(refused.value)
    assert str(folder) not in str(refused.value)
    assert time.monotonic() - started < 10
    assert [*folder.rglob("*.pack"), *folder.glob("incoming/*")] == []


def test_a_sound_pack_is_still_received_afterwards(receive: Callable[[bytes], object]) -> None:
    for pack, _ in HOSTILE.values():
        if len(pack) < 1_000:
            with pytest.raises(Invalid):
                receive(pack)
    assert receive(GOOD)


def test_a_pack_of_nothing_is_sound(receive: Callable[[bytes], object]) -> None:
    assert receive(make_pack([])) == []


def test_folders_that_double_at_every_level_cost_no_more_than_a_share(
    receive: Callable[..., list[object]],
) -> None:
    trees = [tree_data(("100644", b"file", BLOB))]
    for _ in range(40):
        below = object_sha("tree", trees[-1])
        trees.append(tree_data(("40000", b"a", below), ("40000", b"b", below)))
    commit = commit_data(object_sha("tree", trees[-1]))
    (received,) = receive(make_pack([("commit", commit), *(("tree", tree) for tree in trees)]))
    assert received.paths is None


def test_folders_without_end_cost_no_more_than_a_share(
    receive: Callable[..., list[object]],
) -> None:
    trees = [tree_data(("100644", b"file", BLOB))]
    for _ in range(5_000):
        trees.append(tree_data(("40000", b"a", object_sha("tree", trees[-1]))))
    commit = commit_data(object_sha("tree", trees[-1]))
    (received,) = receive(make_pack([("commit", commit), *(("tree", tree) for tree in trees)]))
    assert received.paths is None


@pytest.mark.parametrize("mode", ["40000", "100644"])
def test_a_tree_that_is_something_else_leaves_the_paths_unknown(
    receive: Callable[..., list[object]], mode: str
) -> None:
    blob = object_sha("blob", b"text")
    tree = tree_data((mode, b"a", blob))
    commit = commit_data(object_sha("tree", tree))
    (received,) = receive(make_pack([("commit", commit), ("tree", tree), ("blob", b"text")]))
    assert received.paths == (("a",) if mode == "100644" else None)


def test_a_commit_that_is_its_own_tree_or_parent_is_read_like_any_other(
    receive: Callable[..., list[object]],
) -> None:
    parent = commit_data("2" * 40, "3" * 40)
    sha = object_sha("commit", parent)
    child = commit_data(sha, sha, sha)
    commits = receive(make_pack([("commit", parent), ("commit", child)]))
    assert [commit.paths for commit in commits] == [None, None]
