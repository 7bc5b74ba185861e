"""Backups: consistent while a server writes, verified, and back again on either database."""

import gzip
import hashlib
import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import apsw
import msgspec
import pytest

import serving
from actors import TESTER
from commands import run
from databases import Databases
from forked_serving import forked
from loading import Load, found
from repositories import make_repository
from storage.copy.test_copy import fill, held
from theodora.errors import UnequalCopy, UnusableBackup, UnusableStore
from theodora.events import Deployment
from theodora.git import MirrorStore, backup_files
from theodora.storage import Store
from theodora.storage.backup import restore as restoring
from theodora.storage.backup.archive import read_archive, writing_archive
from theodora.storage.backup.backup import BackupSource, GitFile, back_up
from theodora.storage.backup.restore import restore
from theodora.storage.backup.rotation import BackupFolder
from theodora.storage.open import migrate_database

DAY_SEC = 86_400


@pytest.fixture(params=["sqlite", "postgresql"])
def origin(
    request: pytest.FixtureRequest, postgresql_databases: Databases, tmp_path: Path
) -> Iterator[str]:
    """The URL of the database that is backed up."""
    (tmp_path / "origin").mkdir()
    with _kind(request.param, postgresql_databases).new(tmp_path / "origin") as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def target(
    request: pytest.FixtureRequest, postgresql_databases: Databases, tmp_path: Path
) -> Iterator[str]:
    """The URL of the database that is restored into."""
    (tmp_path / "target").mkdir()
    with _kind(request.param, postgresql_databases).new(tmp_path / "target") as url:
        yield url


def _kind(name: str, on_server: Databases) -> Databases:
    return on_server if name == "postgresql" else Databases(None)


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup of a small store in a SQLite file."""
    url = f"sqlite:///{tmp_path / 'small.db'}"
    fill(url)
    file = tmp_path / "small.tar.gz"
    back_up(source(url), file)
    return file


def source(url: str, *git_files: GitFile) -> BackupSource:
    return BackupSource(url, git_files, "1.2.3")


def restored(file: Path, url: str, git_folder: Path) -> None:
    with file.open("rb") as stream:
        restore(stream, url, git_folder)


def test_a_restored_backup_holds_what_was_backed_up(origin: str, target: str, tmp_path: Path):
    fill(origin)
    before = held(origin)
    file = tmp_path / "backup.tar.gz"
    manifest = back_up(source(origin), file)
    assert manifest.rows["deployments"] == 41
    assert file.stat().st_mode & 0o077 == 0, "hashes of keys are in it"
    assert sorted(each.name for each in tmp_path.iterdir() if each.is_file()) == [file.name]
    restored(file, target, tmp_path / "git")
    assert held(target) == before
    with Store(target) as store:
        assert store.keys.find("application", "k" * 40) is not None
        store.derivations.derive_all_queued(actor=TESTER)


def test_a_backup_of_a_store_that_is_written_to_is_of_one_moment(origin: str, tmp_path: Path):
    """What was acknowledged before is in it, and nothing in it is torn."""
    file = tmp_path / "backup.tar.gz"
    with forked(tmp_path, database=origin) as server:
        load = Load([server.url])
        before: dict[int, str] = {}

        def back_up_beside() -> None:
            before.update(load.acknowledged)
            back_up(source(origin), file)

        load.disturbed(back_up_beside, range(300), after=100)
    url = f"sqlite:///{tmp_path / 'restored.db'}"
    restored(file, url, tmp_path / "git")
    result = found(url, before)
    assert len(before) >= 100
    assert (result.lost, result.doubled, result.wrongly_derived) == (0, 0, [])


def test_no_key_is_in_a_backup(tmp_path: Path):
    with forked(tmp_path) as server:
        back_up(source(server.database_url), tmp_path / "backup.tar.gz")
    with tarfile.open(tmp_path / "backup.tar.gz") as tar:
        database = tar.extractfile("theodora.db")
        assert database is not None
        content = database.read()
    for secret in (serving.API_KEY, serving.APPLICATION_KEY):
        assert secret.encode() not in content
        assert hashlib.sha256(secret.encode()).hexdigest().encode() in content


def damaged(content: bytes, at: int) -> bytes:
    """The archive with another byte at this place, or at the next where that changes anything.

    A copy of zeros from elsewhere is the same zeros.
    """
    unzipped = gzip.decompress(content)
    for place in range(at, len(content)):
        changed = content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :]
        try:
            if gzip.decompress(changed) != unzipped:
                return changed
        except (EOFError, gzip.BadGzipFile, zlib.error):
            return changed
    raise AssertionError("no byte changes anything")


@pytest.mark.parametrize("part", range(12))
def test_a_damaged_byte_is_found_before_anything_is_replaced(
    backup: Path, tmp_path: Path, part: int
):
    content = backup.read_bytes()
    # The first ten bytes say nothing about the content.
    at = 10 + (len(content) - 11) * part // 11
    backup.write_bytes(damaged(content, at))
    with pytest.raises(UnusableBackup):
        restored(backup, f"sqlite:///{tmp_path / 'new.db'}", tmp_path / "git")
    assert not (tmp_path / "new.db").exists()


@pytest.mark.parametrize("part", range(6))
def test_a_backup_that_ends_early_is_found(backup: Path, tmp_path: Path, part: int):
    content = backup.read_bytes()
    backup.write_bytes(content[: len(content) * part // 6])
    with pytest.raises(UnusableBackup, match="not complete"):
        restored(backup, f"sqlite:///{tmp_path / 'new.db'}", tmp_path / "git")
    assert not (tmp_path / "new.db").exists()


def rewritten(backup: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Writes the archive again, with sums that fit."""
    with tarfile.open(backup) as tar:
        members = {info.name: tar.extractfile(info) for info in tar.getmembers()}
        content = {name: file.read() for name, file in members.items() if file}
    del content["SHA256SUMS"]
    change(content)
    with backup.open("wb") as stream, writing_archive(stream, lambda _: None) as archive:
        for name, data in content.items():
            archive.add_bytes(name, data)


def _without_rows(content: dict[str, bytes]) -> None:
    manifest = msgspec.json.decode(content["manifest.json"])
    manifest["rows"]["deployments"] += 1
    content["manifest.json"] = msgspec.json.encode(manifest)


def _of_format_9(content: dict[str, bytes]) -> None:
    manifest = msgspec.json.decode(content["manifest.json"])
    content["manifest.json"] = msgspec.json.encode({**manifest, "format": 9})


def _damaged_database(content: dict[str, bytes]) -> None:
    database = bytearray(content["theodora.db"])
    database[3 * 8192 : 4 * 8192] = bytes(8192)
    content["theodora.db"] = bytes(database)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_without_rows, "does not have the rows that its manifest names"),
        (_of_format_9, "it has format 9, this version reads 1"),
        (_damaged_database, "its database is damaged"),
        (lambda content: content.pop("theodora.db"), "holds no database"),
        (lambda content: content.update({"../evil": b"x"}), "which no backup has"),
        (lambda content: content.update({"git/../../evil": b"x"}), "which no backup has"),
        (lambda content: content.update({"/tmp/evil": b"x"}), "which no backup has"),
        (lambda content: content.update({"git//evil": b"x"}), "which no backup has"),
    ],
)
def test_what_is_no_sound_backup_replaces_nothing(
    backup: Path, tmp_path: Path, change: Any, message: str
):
    rewritten(backup, change)
    url = f"sqlite:///{tmp_path / 'small.db'}"
    before = held(url)
    with pytest.raises(UnusableBackup, match=message):
        restored(backup, url, tmp_path / "git")
    assert held(url) == before


def test_content_that_does_not_fit_its_checksum_is_refused(backup: Path, tmp_path: Path):
    """As a disk that changes a byte before it is compressed: all of gzip's own sums fit."""
    with tarfile.open(backup) as tar:
        content = {each.name: tar.extractfile(each) for each in tar.getmembers()}
        members = {name: file.read() for name, file in content.items() if file}
    members["manifest.json"] = members["manifest.json"].replace(b'"1.2.3"', b'"1.2.4"')
    with tarfile.open(backup, "w:gz") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    with pytest.raises(UnusableBackup, match=r"manifest\.json is not what was backed up"):
        restored(backup, f"sqlite:///{tmp_path / 'new.db'}", tmp_path / "git")


def test_links_are_not_unpacked(tmp_path: Path):
    file = tmp_path / "links.tar.gz"
    with tarfile.open(file, "w:gz") as tar:
        info = tarfile.TarInfo("git/link")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    with file.open("rb") as stream, pytest.raises(UnusableBackup, match="which no backup has"):
        read_archive(stream, tmp_path, lambda _: None)


def test_a_backup_that_cannot_be_read_back_leaves_the_former_one(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    former = backup.read_bytes()
    write = gzip.GzipFile.write

    def write_badly(zipped: gzip.GzipFile, data: Any) -> int:
        return write(zipped, bytes(data).replace(b'"source"', b'"sourse"'))

    monkeypatch.setattr(gzip.GzipFile, "write", write_badly)
    with pytest.raises(UnusableBackup):
        back_up(source(f"sqlite:///{tmp_path / 'small.db'}"), backup)
    assert backup.read_bytes() == former
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".theodora")]


# Restoring


def test_nothing_is_restored_where_a_server_runs(backup: Path, tmp_path: Path):
    folder = tmp_path / "served"
    folder.mkdir()
    with forked(folder) as server:
        result = run("restore", str(backup), "--database", server.database_url)
        assert result.exit_code == 1
        assert "is in use: stop the server and every command on it" in result.stderr
        assert server.stop() == 0
    with Store(server.database_url) as store:
        assert store.deployments.count() == 0


def test_what_was_there_before_is_kept_and_named(backup: Path, tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    migrate_database(url)
    result = run("restore", str(backup), "--database", url)
    assert (result.exit_code, result.stderr) == (0, "")
    assert "41 deployments, 1 failures" in result.stdout
    [kept] = tmp_path.glob("theodora.db.replaced-*")
    assert f"what was {tmp_path / 'theodora.db'} before is now {kept}" in result.stdout
    with Store(f"sqlite:///{kept}") as store:
        assert store.deployments.count() == 0
    with Store(url) as store:
        assert store.deployments.count() == 41


def test_a_restore_that_fails_at_the_end_leaves_the_store(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    url = f"sqlite:///{tmp_path / 'small.db'}"
    before = held(url)

    def fail(_: Path) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(restoring.os, "fsync", fail)
    with pytest.raises(OSError, match="the disk is gone"):
        restored(backup, url, tmp_path / "git")
    assert held(url) == before
    assert not [each for each in tmp_path.iterdir() if each.name.startswith(".theodora")]


def test_the_log_of_a_file_that_is_gone_does_not_reach_the_restored_one(
    backup: Path, tmp_path: Path
):
    path = tmp_path / "gone.db"
    with forked(tmp_path, database=f"sqlite:///{path}") as server:
        path.unlink()
        server.kill()
    assert path.with_name("gone.db-wal").stat().st_size > 0
    restored(backup, f"sqlite:///{path}", tmp_path / "git")
    assert held(f"sqlite:///{path}") == held(f"sqlite:///{tmp_path / 'small.db'}")
    assert list(tmp_path.glob("gone.db-wal.replaced-*"))


def test_a_server_that_is_not_empty_is_not_restored_into(
    backup: Path, tmp_path: Path, postgresql_databases: Databases
):
    with postgresql_databases.new(tmp_path) as url:
        with Store(url) as store:
            store.keys.ensure_organisation("mine", 1, actor=TESTER).result()
        with pytest.raises(UnusableStore, match=r"is not empty, it holds organisations"):
            restored(backup, url, tmp_path / "git")


def test_a_server_is_no_store_until_every_row_is_restored(
    backup: Path,
    tmp_path: Path,
    postgresql_databases: Databases,
    monkeypatch: pytest.MonkeyPatch,
):
    with postgresql_databases.new(tmp_path) as url:

        def fail(_: Any) -> None:
            raise UnequalCopy("deployments: the row of key 1 differs")

        with monkeypatch.context() as patch:
            patch.setattr(restoring.Copying, "compare", fail)
            with pytest.raises(UnequalCopy):
                restored(backup, url, tmp_path / "git")
        with pytest.raises(UnusableStore, match="unfinished copy"):
            Store(url)


def test_a_backup_by_a_newer_version_is_left_to_that(tmp_path: Path):
    path = tmp_path / "newer.db"
    url = f"sqlite:///{path}"
    migrate_database(url)
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute("INSERT INTO migrations VALUES (9999, 'to come', 1)")
    with pytest.raises(UnusableBackup, match="is at migration 9999, this version knows"):
        back_up(source(url), tmp_path / "backup.tar.gz")
    assert not (tmp_path / "backup.tar.gz").exists()


@pytest.mark.parametrize("content", [None, b"", b"no database at all" * 1000])
def test_what_is_no_store_is_not_backed_up(tmp_path: Path, content: bytes | None):
    path = tmp_path / "theodora.db"
    if content is not None:
        path.write_bytes(content)
    result = run("backup", str(tmp_path / "backup.tar.gz"), "--database", f"sqlite:///{path}")
    assert result.exit_code == 1
    assert "Traceback" not in result.output
    assert not (tmp_path / "backup.tar.gz").exists()
    assert path.exists() == (content is not None)


def test_a_folder_that_is_not_there_ends_in_a_plain_sentence(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    migrate_database(url)
    folder = tmp_path / "nowhere"
    result = run("backup", str(folder / "backup.tar.gz"), "--database", url)
    assert (result.exit_code, result.stderr) == (
        1,
        f"Error: there is no folder {folder}: create it first\n",
    )
    with closing(apsw.Connection(str(tmp_path / "theodora.db"))) as connection:
        entries = connection.execute("SELECT action FROM audit_entries").fetchall()
    assert entries == [], "nothing was backed up"


# Packs and mirrors


def test_packs_and_mirrors_are_in_it(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    migrate_database(url)
    origin = make_repository(tmp_path / "origin")
    origin.commit("first")
    folder = tmp_path / "git"
    MirrorStore(folder).fetch("default", "x/origin", str(origin.path))
    (folder / "incoming" / "half").mkdir(parents=True)
    (folder / "incoming" / "half" / "pack").write_text("x")
    file = tmp_path / "backup.tar.gz"
    back_up(source(url, *(GitFile(*each) for each in backup_files(folder))), file)
    new_folder = tmp_path / "new-git"
    restored(file, f"sqlite:///{tmp_path / 'new.db'}", new_folder)
    assert _content(new_folder) == _content(folder)
    origin.commit("second")
    MirrorStore(new_folder).fetch("default", "x/origin", str(origin.path))


def _content(folder: Path) -> dict[str, bytes]:
    """Everything but what is still being received, and locks."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and "incoming" not in path.parts and path.name != "fetching"
    }


# To a stream, and one after another


def test_a_backup_goes_through_a_pipe(backup: Path, tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'small.db'}"
    sent = run("backup", "-", "--database", url)
    assert sent.exit_code == 0
    new = f"sqlite:///{tmp_path / 'new.db'}"
    result = run("restore", "-", "--database", new, given=sent.stdout_bytes)
    assert result.exit_code == 0, result.output
    assert _held_but_audit(new) == _held_but_audit(url)


def _held_but_audit(url: str) -> dict[str, list[Any]]:
    """Everything but what the restore itself adds: who restored it."""
    audit = {"audit_entries", "audit_chains"}
    return {table: rows for table, rows in held(url).items() if table not in audit}


@pytest.mark.parametrize("place", ["one.tar.gz", "."])
def test_the_command_counts_what_it_has_backed_up(place: str, tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    fill(url)
    result = run("backup", str(tmp_path / place), "--database", url)
    [made] = tmp_path.glob("*.tar.gz")
    deployments, failures = _counts(url)
    assert (
        result.stdout == f"backed up {deployments} deployments and {failures} failures to {made}\n"
    )


def _counts(url: str) -> tuple[int, int]:
    """The store's deployments and failures."""
    rows = held(url)
    return len(rows["deployments"]), len(rows["failures"])


def test_the_newest_backups_are_kept(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    migrate_database(url)
    folder = BackupFolder(tmp_path / "backups", keep=2)
    (tmp_path / "backups").mkdir()
    (tmp_path / "backups" / "theodora-by-hand.tar.gz").write_text("not ours")
    for day in range(4):
        assert folder.is_due(DAY_SEC, day * DAY_SEC)
        folder.add(source(url), day * DAY_SEC)
        assert not folder.is_due(DAY_SEC, day * DAY_SEC + 1)
    assert [path.name for path in folder.backups()] == [
        "theodora-19700103T000000Z.tar.gz",
        "theodora-19700104T000000Z.tar.gz",
    ]
    assert (tmp_path / "backups" / "theodora-by-hand.tar.gz").exists()


def test_backups_from_the_future_are_removed_before_others(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    migrate_database(url)
    folder = BackupFolder(tmp_path / "backups", keep=3)
    (tmp_path / "backups").mkdir()
    for name in ("19700103", "20990101", "20990102", "20990103"):
        (tmp_path / "backups" / f"theodora-{name}T000000Z.tar.gz").touch()
    made = [folder.add(source(url), day * DAY_SEC).path for day in (5, 6)]
    old = tmp_path / "backups" / "theodora-19700103T000000Z.tar.gz"
    assert folder.backups() == [old, *made]


def test_only_one_of_several_processes_makes_the_backup(tmp_path: Path):
    with ExitStack() as stack:
        folders = [BackupFolder(tmp_path, keep=2) for _ in range(2)]
        assert [stack.enter_context(folder.alone()) for folder in folders] == [True, False]


def test_what_a_killed_backup_has_left_is_removed_after_a_day(tmp_path: Path):
    old, new = tmp_path / ".theodora-backup-old", tmp_path / ".theodora-backup-new"
    for left in (old, new):
        left.mkdir()
        (left / "theodora.db").write_text("x")
    os.utime(old, (0, 0))
    with BackupFolder(tmp_path, keep=2).alone():
        assert not old.exists()
        assert new.exists()


def test_a_backup_that_is_being_made_is_waited_for_by_nobody(tmp_path: Path):
    url = f"sqlite:///{tmp_path / 'theodora.db'}"
    migrate_database(url)
    with BackupFolder(tmp_path, keep=2).alone():
        result = run("backup", str(tmp_path), "--database", url)
    assert (result.exit_code, result.stderr) == (
        1,
        "Error: another process is making a backup in that folder\n",
    )
    assert run("backup", str(tmp_path), "--database", url).exit_code == 0


@pytest.fixture
def rotating(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts `theodora backup --every` as a process of its own."""
    with ExitStack() as stack:

        def start(folder: Path, *more: str, url: str) -> subprocess.Popen[str]:
            command = (sys.executable, "-m", "theodora", "backup", str(folder), "--database", url)
            process = subprocess.Popen(
                [*command, "--git-folder", str(tmp_path / "git"), *more],
                stderr=subprocess.PIPE,
                text=True,
            )
            stack.callback(process.communicate)
            stack.callback(process.kill)
            return process

        yield start


def test_a_process_of_its_own_keeps_making_backups_until_it_is_told_to_stop(
    tmp_path: Path, rotating: Callable[..., subprocess.Popen[str]]
):
    url, folder = f"sqlite:///{tmp_path / 'theodora.db'}", tmp_path / "backups"
    fill(url)
    folder.mkdir()
    for day in (1, 2, 3):
        (folder / f"theodora-1970010{day}T000000Z.tar.gz").touch()
    process = rotating(folder, "--every", "1h", "--keep", "2", url=url)
    assert process.stderr is not None
    logged = json.loads(process.stderr.readline())
    assert logged["event"] == "backed up"
    assert (logged["deployments"], logged["failures"]) == _counts(url)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 0
    old, new = BackupFolder(folder, keep=2).backups()
    assert old.name == "theodora-19700103T000000Z.tar.gz"
    restored(new, f"sqlite:///{tmp_path / 'restored.db'}", tmp_path / "git-restored")
    assert held(f"sqlite:///{tmp_path / 'restored.db'}") == held(url)


def test_nothing_stays_of_a_backup_under_way_when_it_is_told_to_stop(
    tmp_path: Path, rotating: Callable[..., subprocess.Popen[str]]
):
    url, folder = f"sqlite:///{tmp_path / 'theodora.db'}", tmp_path / "backups"
    with Store(url) as store:
        org = store.keys.ensure_organisation("default", 1, actor=TESTER).result()
        for number in range(5_000):
            event = Deployment(service="web", started_at_ns=number + 1, finished_at_ns=number + 1)
            written = store.deployments.add(org, event, 1, actor=TESTER)
        written.result()
    folder.mkdir()
    process = rotating(folder, "--every", "1h", url=url)
    until = time.monotonic() + 60
    while not list(folder.glob(".theodora-backup-*")):
        assert time.monotonic() < until, "it does not begin"
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=60) == 0
    assert not list(folder.glob(".theodora-backup-*"))


@pytest.mark.parametrize("every", ["0s", "6", "x"])
def test_what_is_no_interval_is_refused(tmp_path: Path, every: str):
    result = run("backup", str(tmp_path), "--every", every)
    assert result.exit_code == 1
    assert f'--every: "{every}" must be a number and s, m, h or d' in result.stderr


def test_backups_at_an_interval_need_a_folder_that_exists(tmp_path: Path):
    result = run("backup", str(tmp_path / "typo"), "--every", "6h")
    assert result.exit_code == 2
    assert "need a folder" in result.stderr


def test_a_server_backs_itself_up(origin: str, tmp_path: Path):
    folder = tmp_path / "backups"
    with forked(tmp_path, "--backup-to", str(folder), database=origin) as server:
        until = time.monotonic() + 60
        while not list(folder.glob("theodora-*.tar.gz")):
            assert time.monotonic() < until, (tmp_path / "server.log").read_text()
            time.sleep(0.1)
        assert server.stop() == 0
    [file] = folder.glob("theodora-*.tar.gz")
    assert '"event":"backed up"' in (tmp_path / "server.log").read_text()
    url = f"sqlite:///{tmp_path / 'restored.db'}"
    restored(file, url, tmp_path / "git-restored")
    with Store(url) as store:
        assert store.keys.find("api", serving.API_KEY) is not None
