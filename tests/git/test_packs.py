"""Packs: what comes out of them is what `git log` shows."""

from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from repositories import (
    GitRepository,
    commit_data,
    make_pack,
    make_repository,
    object_sha,
    tree_data,
)
from theodora.dora import Commit
from theodora.git import PackStore

ID = "example.org/app"
BLOB = "1" * 40


@pytest.fixture
def packs(tmp_path: Path) -> PackStore:
    return PackStore(tmp_path / "packs")


@pytest.fixture
def repository(tmp_path: Path) -> GitRepository:
    """A few commits in folders, a branch and its merge."""
    repository = make_repository(tmp_path / "repository")
    repository.commit("Begin", {"README": "1", "web/app.py": "1", "web/parts/door.py": "1"})
    repository.commit("Fix the door\n\nIt creaked.", {"web/parts/door.py": "2"})
    repository.git("checkout", "--quiet", "-b", "side")
    repository.commit("On the side", {"side.py": "1"})
    repository.git("checkout", "--quiet", "main")
    repository.commit("Remove the app", {"web/app.py": None})
    repository.merge("side")
    return repository


def received(packs: PackStore, pack: bytes, incomplete: Iterable[str] = ()) -> dict[str, Commit]:
    commits = packs.receive("org", ID, "a" * 40, pack, list(incomplete))
    return {commit.sha: commit for commit in commits}


def one(packs: PackStore, *objects: tuple[str, bytes]) -> Commit:
    """The commit of a pack of one."""
    (commit,) = received(packs, make_pack(objects)).values()
    return commit


def test_a_pack_holds_the_commits_that_git_log_shows(
    packs: PackStore, repository: GitRepository
) -> None:
    assert received(packs, repository.pack(repository.objects())) == repository.log()


def test_a_pack_received_again_gives_the_same(packs: PackStore, repository: GitRepository) -> None:
    pack = repository.pack(repository.objects())
    assert received(packs, pack) == received(packs, pack)


@pytest.mark.parametrize("commits_first", [True, False])
def test_trees_may_come_in_another_pack_than_their_commits(
    packs: PackStore, repository: GitRepository, commits_first: bool
) -> None:
    objects = repository.objects()
    commits = repository.pack(objects[:6])
    trees = repository.pack(objects[6:])
    if commits_first:
        first = received(packs, commits)
        incomplete = [sha for sha, commit in first.items() if commit.paths is None]
        assert incomplete
        assert first | received(packs, trees, incomplete) == repository.log()
    else:
        assert received(packs, trees) == {}
        assert received(packs, commits) == repository.log()


def test_a_later_upload_finds_the_trees_of_parents_in_an_earlier_one(
    packs: PackStore, repository: GitRepository
) -> None:
    received(packs, repository.pack(repository.objects()))
    sha = repository.commit("Later", {"web/parts/door.py": "3"})
    later = received(packs, repository.pack(repository.objects("HEAD", "^HEAD~1")))
    assert later == {sha: repository.log()[sha]}


def test_deltas_against_objects_of_an_earlier_upload_are_resolved(
    packs: PackStore, repository: GitRepository
) -> None:
    repository.commit("Many files", {f"many/file_{number}": "1" for number in range(100)})
    received(packs, repository.pack(repository.objects()))
    sha = repository.commit("One of them", {"many/file_7": "2"})
    thin = repository.git(
        *("pack-objects", "--stdout", "--quiet", "--thin", "--revs", "--filter=blob:none"),
        stdin=b"HEAD\n^HEAD~1\n",
    )
    assert received(packs, thin)[sha].paths == ("many/file_7",)


def test_a_commit_whose_parent_never_came_is_known_without_its_paths(
    packs: PackStore, repository: GitRepository
) -> None:
    sha = repository.sha("HEAD~1")
    (commit,) = received(packs, repository.pack(repository.objects(sha, f"^{sha}~1"))).values()
    assert commit == msgspec.structs.replace(repository.log()[sha], paths=None)


def test_repositories_do_not_see_each_others_objects(
    packs: PackStore, repository: GitRepository
) -> None:
    received(packs, repository.pack(repository.objects()))
    sha = repository.commit("Later", {"README": "2"})
    pack = repository.pack(repository.objects("HEAD", "^HEAD~1"))
    for org, id_ in (("other", ID), ("org", "example.org/other")):
        (commit,) = packs.receive(org, id_, sha, pack)
        assert commit.paths is None


def test_many_packs_are_put_together_and_stay_readable(
    packs: PackStore, repository: GitRepository, tmp_path: Path
) -> None:
    received(packs, repository.pack(repository.objects()))
    for number in range(60):
        sha = repository.commit(f"Change {number}", {"web/parts/door.py": str(number + 10)})
        later = received(packs, repository.pack(repository.objects("HEAD", "^HEAD~1")))
        assert later[sha].paths == ("web/parts/door.py",)
    assert len(list((tmp_path / "packs").rglob("*.pack"))) < 30


def test_repositories_with_longer_hashes_are_read_too(packs: PackStore, tmp_path: Path) -> None:
    repository = make_repository(tmp_path / "long", "--object-format=sha256")
    repository.commit("Begin", {"a/b/c": "1"})
    head = repository.commit("Go on", {"a/b/d": "1"})
    commits = packs.receive("org", ID, head, repository.pack(repository.objects()))
    assert {commit.sha: commit for commit in commits} == repository.log()


def test_a_file_that_becomes_a_folder_is_told_with_both_paths(
    packs: PackStore, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "turning")
    repository.commit("Begin", {"thing": "1"})
    sha = repository.commit("Turn", {"thing": None, "thing/part": "1"})
    commits = received(packs, repository.pack(repository.objects()))
    assert commits == repository.log()
    assert commits[sha].paths == ("thing", "thing/part")


def test_a_message_is_read_in_the_encoding_that_its_commit_names(
    packs: PackStore, tmp_path: Path
) -> None:
    repository = make_repository(tmp_path / "old")
    repository.git("config", "i18n.commitEncoding", "ISO-8859-1")
    message = tmp_path / "message"
    message.write_bytes("Türen".encode("latin-1"))
    repository.git("commit", "--allow-empty", "--quiet", "-F", str(message))
    (commit,) = received(packs, repository.pack(repository.objects())).values()
    assert commit.subject == "Türen"


@pytest.mark.parametrize(
    "author",
    [
        *("A <a>", "A <a> yesterday", "A <a> 99999999999999999999 +0000", "nobody"),
        *("A <a> 0 +0000", "A <a> 1693491974", "A <a> -1 +0000"),
    ],
)
def test_a_date_that_cannot_be_read_or_is_0_is_none_and_the_other_stays(
    packs: PackStore, author: str
) -> None:
    empty = object_sha("tree", b"")
    commit = one(packs, ("commit", commit_data(empty, author=author)), ("tree", b""))
    assert commit.author_time_ns is None
    assert commit.commit_time_ns == 1_693_491_974 * 10**9


@pytest.mark.parametrize(
    ("author", "name", "email"),
    [
        ("Ada Byron <ada@example.org> 1 +0000", "Ada Byron", "ada@example.org"),
        (" <ada@example.org> 1 +0000", "", "ada@example.org"),
        ("Ada <a <b> 1 +0000", "Ada", "a <b"),
        ("Ada > B <> 1 +0000", "Ada > B", ""),
        ("Adä <a@b.c>", "Adä", "a@b.c"),
        ("n" * 300 + " <a@b.c> 1 +0000", "n" * 255, "a@b.c"),
        ("nobody", "", ""),
    ],
)
def test_an_author_is_told_where_the_line_can_be_read(
    packs: PackStore, author: str, name: str, email: str
) -> None:
    empty = object_sha("tree", b"")
    commit = one(packs, ("commit", commit_data(empty, author=author)), ("tree", b""))
    assert (commit.author_name, commit.author_email) == (name, email)


def test_a_subject_of_white_space_that_git_does_not_know_is_a_subject(packs: PackStore) -> None:
    message = "\u00a0\n\nmore"
    commit = one(packs, ("commit", commit_data(object_sha("tree", b""), message=message)))
    assert commit.subject == "\u00a0"


def test_modes_that_old_tools_wrote_in_another_way_are_no_change(packs: PackStore) -> None:
    below = tree_data(("100644", b"file", BLOB))
    old = tree_data(("040000", b"folder", object_sha("tree", below)), ("100664", b"x", BLOB))
    new = tree_data(("40000", b"folder", object_sha("tree", below)), ("100644", b"x", BLOB))
    root = commit_data(object_sha("tree", old))
    child = commit_data(object_sha("tree", new), object_sha("commit", root))
    trees = [("tree", data) for data in (below, old, new)]
    commits = received(packs, make_pack([("commit", root), ("commit", child), *trees]))
    assert commits[object_sha("commit", child)].paths == ()


FILES = st.sampled_from(["a", "b/a", "b/c/a", "b/c/d", "b-c", "b.c", "e/f", "ü", "new\nline"])


@st.composite
def histories(draw: st.DrawFn) -> bytes:
    """A stream for `git fast-import`: commits on any earlier ones, merges too."""
    stream = bytearray()
    for mark in range(1, draw(st.integers(1, 12)) + 1):
        time = 1_600_000_000 + draw(st.integers(0, 10**8))
        message = draw(st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=20))
        body = f"{message}\n\nmore\n".encode()
        stream += b"commit refs/heads/b%d\nmark :%d\n" % (mark, mark)
        stream += b"author A <a@x> %d +0100\ncommitter C <c@x> %d -0330\n" % (time - 99, time)
        stream += b"data %d\n%s\n" % (len(body), body)
        earlier = list(range(1, mark))
        parents = (
            draw(st.lists(st.sampled_from(earlier), max_size=3, unique=True)) if earlier else []
        )
        for at, parent in enumerate(parents):
            stream += b"%s :%d\n" % (b"merge" if at else b"from", parent)
        for name in draw(st.lists(FILES, max_size=4, unique=True)):
            path = b'"%s"' % name.encode().replace(b"\n", b"\\n")
            if draw(st.booleans()):
                stream += b"M 100644 inline %s\ndata 1\n%d\n" % (path, draw(st.integers(0, 9)))
            else:
                stream += b"D %s\n" % path
    return bytes(stream)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(histories(), st.integers(0, 99))
def test_whatever_the_history_it_is_what_git_log_shows(stream: bytes, cut: int) -> None:
    with TemporaryDirectory() as folder:
        repository = make_repository(Path(folder) / "repository")
        repository.git("fast-import", "--quiet", stdin=stream)
        packs = PackStore(Path(folder) / "packs")
        objects = repository.objects()
        at = cut * len(objects) // 100
        first = received(packs, repository.pack(objects[:at], "--no-reuse-delta"))
        incomplete = [sha for sha, commit in first.items() if commit.paths is None]
        second = received(packs, repository.pack(objects[at:]), incomplete)
        assert first | second == repository.log()


@pytest.mark.parametrize(
    ("clock", "minutes"),
    [("+0000", 0), ("-0130", -90), ("+1400", 840), ("+1500", None), ("+0575", None), ("+99", None)],
)
def test_the_clock_of_an_author_is_read(packs: PackStore, clock: str, minutes: int | None) -> None:
    data = commit_data(object_sha("tree", b""), author=f"A <a@b.c> 1 {clock}")
    assert one(packs, ("commit", data), ("tree", b"")).author_offset_minutes == minutes
