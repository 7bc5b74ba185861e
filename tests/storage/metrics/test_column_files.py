"""Columns in files: whatever the state of a file, answers are those of the database."""

import mmap
import multiprocessing
import os
import shutil
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import numpy as np
import pytest

from actors import TESTER
from asking import server_in_process
from databases import ON_SQLITE
from lengths import short_and_long
from settling import in_every_state
from storage.metrics.test_columns import (
    QUERY,
    REPOSITORY_ID,
    SHAS,
    World,
    answers,
    at_one_time,
    count,
    deployment,
    tell_commits,
)
from theodora.events import Git
from theodora.events.values import DAY_NS
from theodora.storage import Organisation, Store
from theodora.storage.check.check import check_store
from theodora.storage.check.repair import repair_store
from theodora.storage.engine.cursor import Cursor
from theodora.storage.events import change_log
from theodora.storage.events.change_log import (
    HistoryMark,
    log_change,
    mark_history,
    prune_changes,
)
from theodora.storage.events.tables import DEPLOYMENTS
from theodora.storage.metrics import cache, columns, saver
from theodora.storage.metrics.cache import ColumnCache
from theodora.storage.metrics.column_files import ColumnFiles, remove_column_file
from theodora.storage.metrics.saver_worker import SaverWorker
from theodora.storage.open import open_database


@pytest.fixture(autouse=True)
def every_change_is_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache, "FEWEST_STORED", 1)
    monkeypatch.setattr(saver, "_FEWEST_CHANGES", 1)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "columns"


class Open:
    """Opens stores that keep columns in the folder, as a server does when it starts."""

    def __init__(self, database: str, folder: Path) -> None:
        self.database = database
        self._folder = folder
        self._stores: list[Store] = []

    def __call__(self) -> Store:
        self._stores.append(Store(self.database, columns_folder=self._folder))
        return self._stores[-1]

    def close_all(self) -> None:
        while self._stores:
            self._stores.pop().close()


@pytest.fixture
def opened(database: str, folder: Path, index: None) -> Iterator[Open]:
    opened = Open(database, folder)
    yield opened
    opened.close_all()


@pytest.fixture
def org(opened: Open) -> Organisation:
    return organisation(opened(), "default")


@pytest.fixture
def saved(opened: Open, org: Organisation) -> Store:
    """A store with one deployment, whose columns are in a file."""
    store = opened()
    add(store, org, "zero")
    count(store, org)
    assert save(store) == 1
    return store


def organisation(store: Store, name: str) -> Organisation:
    return store.keys.ensure_organisation(name, 1, actor=TESTER).result()


def save(store: Store, now_ns: int | None = None) -> int:
    return store.metrics.save_columns(now_ns or time.time_ns(), actor=TESTER)


def add(store: Store, org: Organisation, *ids: str) -> None:
    for id_ in ids:
        store.deployments.add(org, deployment(id_), 1, actor=TESTER).result()


def has_read_rows(store: Store, org: Organisation) -> bool:
    """Whether a question had to read all events from the database."""
    store.metrics.save_due.clear()
    count(store, org)
    return store.metrics.save_due.is_set()


def file_of(folder: Path, org: Organisation) -> Path:
    (found,) = folder.iterdir()
    assert org.uuid in found.name
    return found


@in_every_state
@short_and_long("steps", 10, 100)
def test_columns_of_a_file_and_of_later_changes_are_those_of_the_database(
    database: str, opened: Open, org: Organisation, steps: int
) -> None:
    seed = int(os.environ.get("THEODORA_TEST_SEED") or Random().randrange(2**32))
    rng = Random(seed)
    world = World([opened(), opened()], org, rng)
    tell_commits(world.stores[0], org)
    mapped = 0
    with Store(database, metrics_memory_mib=0) as reader:
        for step in range(steps):
            for _ in range(rng.randrange(4)):
                world.step()
            if rng.random() < 0.4:
                save(world.stores[1])
            if rng.random() < 0.4:
                world.stores[1] = opened()
                mapped += not has_read_rows(world.stores[1], org)
            found, expected = at_one_time(world.stores, reader, org)
            for each in found:
                assert each == expected, f"THEODORA_TEST_SEED={seed}, step {step}"
    assert mapped or steps < 100, "a short run may never begin with a file"


def test_a_start_reads_no_rows(opened: Open, org: Organisation) -> None:
    first = opened()
    add(first, org, "one", "two")
    assert has_read_rows(first, org)
    assert save(first) == 1
    assert save(first) == 0, "nothing has changed since"
    before = answers(first, org)
    assert save(first) == 0, "tags and stages are no change"
    add(first, org, "three")
    second = opened()
    assert not has_read_rows(second, org)
    assert count(second, org) == 3
    assert answers(second, org) == answers(first, org) != before


@pytest.mark.usefixtures("saved")
def test_files_are_the_owners_alone(org: Organisation, folder: Path) -> None:
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(file_of(folder, org).stat().st_mode) == 0o600


def add_with_lead_times(store: Store, org: Organisation) -> None:
    tell_commits(store, org)
    for number in (1, 5):
        event = deployment(f"of commit {number}")
        at_ns = event.finished_at_ns + number
        event = msgspec.structs.replace(
            event,
            env="production",
            started_at_ns=at_ns,
            finished_at_ns=at_ns,
            git=Git(SHAS[number], f"https://{REPOSITORY_ID}"),
        )
        store.deployments.add(org, event, 1, actor=TESTER).result()
    store.derivations.derive_all_queued(actor=TESTER)


def test_tags_and_stages_in_memory_are_in_the_file(
    opened: Open, org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    add_with_lead_times(store, org)
    event = msgspec.structs.replace(deployment("one"), custom_tags=("region:eu",))
    store.deployments.add(org, event, 1, actor=TESTER).result()
    before = answers(store, org)
    report = store.metrics.report(org, QUERY).overall.total
    assert report.change_lead_time.n == 4
    save(store)
    monkeypatch.setattr(columns.CachedDeployments, "select_stages", "SELECT nothing")
    monkeypatch.setattr(columns, "_tag_pairs", None)
    assert answers(opened(), org) == before


def _cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def _empty(file: Path) -> None:
    file.write_bytes(b"")


def _lengthen(file: Path) -> None:
    os.truncate(file, file.stat().st_size + 4_096)


def _damage_header(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)


def _lose_pages(file: Path) -> None:
    """As a loss of power may, after which the file has its name and length."""
    content = file.read_bytes()
    file.write_bytes(content[:4_096] + bytes(len(content) - 4_096))


def _forbid(file: Path) -> None:
    file.unlink()
    file.mkdir()


DAMAGES = [_cut, _empty, _lengthen, _damage_header, _lose_pages, _forbid]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda each: each.__name__)
def test_a_damaged_file_is_not_used(
    opened: Open, org: Organisation, folder: Path, damage: Callable[[Path], None]
) -> None:
    store = opened()
    add(store, org, "one", "two")
    before = answers(store, org)
    save(store)
    damage(file_of(folder, org))
    again = opened()
    assert has_read_rows(again, org)
    assert answers(again, org) == before


@ON_SQLITE
def test_every_damaged_array_is_found(opened: Open, org: Organisation, folder: Path) -> None:
    """One bit of each page of the file that has any."""
    store = opened()
    world = World([store], org, Random(1))
    for _ in range(40):
        world.step()
    answers(store, org)
    save(store)
    file = file_of(folder, org)
    content = file.read_bytes()
    again = opened()
    pages = [at for at in range(0, len(content), 4_096) if any(content[at : at + 4_096])]
    assert len(pages) > 20
    for at in pages:
        file.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        assert again.metrics.save_columns(time.time_ns(), actor=TESTER) == 0
        assert has_read_rows(opened(), org), at


@pytest.mark.usefixtures("saved")
def test_a_file_of_another_version_is_replaced(
    opened: Open, org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(cache, "__version__", "0.0")
        cache.columns_program.cache_clear()
        other = opened()
    cache.columns_program.cache_clear()
    assert has_read_rows(other, org)
    assert save(other) == 1


def test_a_file_that_the_log_does_not_reach_back_to_is_not_used(
    database: str,
    opened: Open,
    org: Organisation,
    saved: Store,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(change_log, "_PRUNED_AT_ONCE", 5)
    for number in range(30):
        add(saved, org, f"one-{number}")
    _prune(database)
    again = opened()
    assert has_read_rows(again, org)
    assert count(again, org) == 31


def test_a_file_is_not_used_if_changes_before_its_mark_are_not_in_the_log(
    database: str, opened: Open, org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mark_later(cursor: Cursor, org: Organisation) -> HistoryMark:
        for _ in range(30):
            log_change(cursor, DEPLOYMENTS, org, 10**6)
        return mark_history(cursor, org)

    monkeypatch.setattr(saver, "mark_history", mark_later)
    monkeypatch.setattr(change_log, "_PRUNED_AT_ONCE", 5)
    store = opened()
    add(store, org, "one")
    count(store, org)
    save(store)
    assert not has_read_rows(opened(), org)
    _prune(database)
    assert has_read_rows(opened(), org)


def _prune(database: str) -> None:
    with closing(open_database(database, lambda *_: (), lambda _: None)) as pruning:
        [row] = pruning.read(
            lambda cursor: cursor.execute("SELECT org, uuid, name FROM organisations").fetchall()
        )
        most_10 = partial(prune_changes, org=Organisation(*row), most=10)
        pruning.write(most_10, TESTER, org=row[0]).result()


def test_a_mark_is_logged_after_the_columns_were_read(
    saved: Store, org: Organisation, folder: Path
) -> None:
    assert count(saved, org) == 1
    head = ColumnFiles(folder, cache.columns_program()).head(org)
    assert head
    assert head.mark.number > head.number


@ON_SQLITE
def test_a_database_that_was_put_back_does_not_use_the_file_of_what_came_after(
    database: str, opened: Open, org: Organisation, tmp_path: Path
) -> None:
    """Although its log comes to the same numbers again, about the same rows."""
    file, kept = Path(database.removeprefix("sqlite:///")), tmp_path / "kept.db"
    opened.close_all()
    shutil.copy(file, kept)
    first = opened()
    add(first, org, "one", "two")
    count(first, org)
    save(first)
    opened.close_all()
    shutil.copy(kept, file)
    again = opened()
    add(again, org, "one", "two", "three", "four")
    again.deployments.delete(org, "one", actor=TESTER).result()
    assert has_read_rows(again, org)
    assert count(again, org) == 3


@ON_SQLITE
def test_a_database_that_was_put_back_uses_the_file_of_what_came_before(
    database: str, opened: Open, org: Organisation, saved: Store, tmp_path: Path
) -> None:
    file, kept = Path(database.removeprefix("sqlite:///")), tmp_path / "kept.db"
    add(saved, org, "one")
    opened.close_all()
    shutil.copy(file, kept)
    later = opened()
    add(later, org, "three")
    opened.close_all()
    shutil.copy(kept, file)
    again = opened()
    add(again, org, "four", "five")
    assert not has_read_rows(again, org)
    assert count(again, org) == 4


def test_a_file_of_another_organisation_is_not_used(opened: Open, folder: Path) -> None:
    store = opened()
    ours, theirs = (organisation(store, name) for name in ("a", "b"))
    for org in (ours, theirs):
        add(store, org, *(f"one-{number}" for number in range(org.key)))
        count(store, org)
    assert save(store) == 2
    first, second = folder.iterdir()
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(content)
    again = opened()
    for org in (ours, theirs):
        assert has_read_rows(again, org)
        assert count(again, org) == org.key


def test_another_organisations_changes_do_not_make_a_file_due(opened: Open) -> None:
    store = opened()
    ours, theirs = (organisation(store, name) for name in ("a", "b"))
    add(store, ours, "one")
    count(store, ours)
    assert save(store) == 1
    add(store, theirs, "one", "two")
    assert save(store) == 0


def test_a_file_is_saved_before_the_log_no_longer_reaches_back(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened()
    ours = organisation(store, "a")
    add(store, ours, "one")
    count(store, ours)
    assert save(store) == 1
    monkeypatch.setattr(saver, "_FEWEST_CHANGES", 1_000)
    monkeypatch.setattr(saver, "_MOST_BEHIND", 4)
    # The mark of the file is an entry too.
    add(store, ours, "two", "three")
    assert save(store) == 0
    add(store, ours, "four")
    assert save(store) == 1


def test_a_process_goes_on_with_a_file_that_is_replaced(opened: Open, org: Organisation) -> None:
    first, second = opened(), opened()
    add(first, org, "one")
    count(first, org)
    save(first)
    assert not has_read_rows(second, org)
    add(first, org, "two")
    count(first, org)
    assert save(first) == 1
    assert count(second, org) == 2
    before = second.metrics.memory_bytes
    assert save(second) == 0
    assert second.metrics.memory_bytes == 0 < before, "it maps the new file next"
    assert not has_read_rows(second, org)
    assert count(second, org) == 2


def test_columns_in_memory_stay_where_their_file_cannot_be_used(
    database: str, opened: Open, org: Organisation, folder: Path, saved: Store
) -> None:
    repair_store(database, lambda _: None, TESTER)
    again = opened()
    assert has_read_rows(again, org)
    with cannot_save(folder):
        save(again)
    assert not has_read_rows(again, org)


@contextmanager
def cannot_save(folder: Path) -> Iterator[None]:
    """Another process is saving in the folder."""
    code = (
        "import fcntl, os, sys; folder = os.open(sys.argv[1], os.O_RDONLY); "
        "fcntl.flock(folder, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(folder)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        yield
        process.communicate()


def test_one_process_saves_at_a_time(saved: Store, org: Organisation, folder: Path) -> None:
    store = saved
    add(store, org, "one")
    left = folder / "left.unfinished"
    left.touch()
    with cannot_save(folder):
        assert save(store) == 0
        assert left.exists()
    assert save(store) == 1
    assert not left.exists()


@pytest.mark.usefixtures("saved")
def test_a_repair_makes_files_unusable(database: str, opened: Open, org: Organisation) -> None:
    repair_store(database, lambda _: None, TESTER)
    assert has_read_rows(opened(), org)


@pytest.mark.usefixtures("saved")
def test_a_store_with_marks_is_sound(database: str) -> None:
    assert check_store(database, lambda *_: None).findings == []


def test_columns_are_read_from_the_database_once_a_day(
    opened: Open, org: Organisation, folder: Path
) -> None:
    """So that names of deleted events do not stay for long."""
    store = opened()
    add(store, org, "one")
    event = msgspec.structs.replace(deployment("two"), service="of-the-past")
    store.deployments.add(org, event, 1, actor=TESTER).result()
    count(store, org)
    save(store)
    store.deployments.delete(org, "two", actor=TESTER).result()
    assert save(store) == 1
    assert b"of-the-past" in file_of(folder, org).read_bytes()
    assert save(store, time.time_ns() + DAY_NS + 10**9) == 1
    assert b"of-the-past" not in file_of(folder, org).read_bytes()
    assert count(store, org) == 1


@ON_SQLITE
def test_many_changes_outgrow_the_room_of_a_file(
    database: str, opened: Open, org: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = opened()
    for number in range(40):
        added = first.deployments.add(org, deployment(f"one-{number}"), 1, actor=TESTER)
    added.result()
    answers(first, org)
    save(first)
    store = opened()
    for sorts in (False, True):
        if sorts:
            monkeypatch.setattr(columns, "_FEWEST_LOOSE", 2)
        for number in range(30, 60):
            event = msgspec.structs.replace(
                deployment(f"one-{number}"), version=f"v{sorts}", custom_tags=("region:eu",)
            )
            store.deployments.add(org, event, 1, actor=TESTER).result()
            gone = number - 30 if sorts else number
            store.deployments.delete(org, f"one-{gone}", actor=TESTER).result()
            count(store, org)
        with Store(database, metrics_memory_mib=0) as reader:
            assert answers(store, org) == answers(reader, org)


@ON_SQLITE
def test_what_is_mapped_is_no_memory_of_the_process(opened: Open, org: Organisation) -> None:
    first = opened()
    for number in range(2_000):
        added = first.deployments.add(org, deployment(f"one-{number}"), 1, actor=TESTER)
    added.result()
    count(first, org)
    of_rows = first.metrics.memory_bytes
    save(first)
    second = opened()
    assert count(second, org) == 2_000
    mapped = second.metrics.memory_bytes
    assert mapped < of_rows / 20
    for number in range(100):
        added = second.deployments.add(org, deployment(f"two-{number}"), 1, actor=TESTER)
    added.result()
    assert count(second, org) == 2_100
    assert 100 * 8 < second.metrics.memory_bytes - mapped < 100 * 1_000


@pytest.mark.parametrize("is_crowded_out", [False, True])
def test_columns_that_do_not_fit_in_memory_are_mapped(
    opened: Open,
    org: Organisation,
    folder: Path,
    is_crowded_out: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = opened()
    event = msgspec.structs.replace(deployment("of a tag"), custom_tags=("region:eu",))
    store.deployments.add(org, event, 1, actor=TESTER)
    for number in range(300):
        added = store.deployments.add(org, deployment(f"one-{number}"), 1, actor=TESTER)
    added.result()
    count(store, org)
    kept = ColumnCache(
        store.metrics.memory_bytes // 2, files=ColumnFiles(folder, cache.columns_program())
    )
    expected = answers(store, org)
    for each in (store.metrics, store.metrics._saver):
        monkeypatch.setattr(each, "_cache", kept)
    if is_crowded_out:
        monkeypatch.setattr(kept, "_limit_bytes", 2**30)
    assert answers(store, org) == expected
    assert kept.nbytes == 0
    assert kept.save_due.is_set()
    assert save(store) == 1
    assert file_of(folder, org), "nothing else is left in the folder"
    monkeypatch.setattr("theodora.storage.metrics.metrics.load_period", None)
    monkeypatch.setattr(columns.CachedDeployments, "select_stages", "SELECT nothing")
    assert answers(store, org) == expected
    add(store, org, "two")
    assert count(store, org) == 302
    assert kept.nbytes > 0


@ON_SQLITE
def test_arrays_in_files_are_no_memory_of_the_process(
    opened: Open, org: Organisation, folder: Path
) -> None:
    store = opened()
    add_with_lead_times(store, org)
    files = ColumnFiles(folder, "")
    folder.mkdir()
    with closing(open_database(opened.database, lambda *_: (), lambda _: None)) as reading:
        found = reading.read(lambda cursor: cache.read_stored(cursor, org, files.allocate))
    for events in found.events.values():
        for name, (array, size) in events.arrays.items():
            is_mapped = isinstance(_owner(array), mmap.mmap)
            assert is_mapped or not size or name.startswith("by_key") or name == "is_there", name
    assert found.events["deployment"].arrays["stages_ns"].size
    assert not list(folder.iterdir())


def _owner(array: Any) -> Any:
    """What the memory of an array belongs to."""
    while isinstance(array, np.ndarray) and array.base is not None:
        array = array.base
    return array.obj if isinstance(array, memoryview) else array


@ON_SQLITE
@pytest.mark.usefixtures("saved")
def test_without_memory_no_file_is_used(database: str, org: Organisation, folder: Path) -> None:
    with Store(database, metrics_memory_mib=0, columns_folder=folder) as without:
        assert save(without) == 0
        assert count(without, org) == 1
        assert without.metrics.memory_bytes == 0


@ON_SQLITE
def test_a_disk_that_is_full_leaves_the_former_file(
    saved: Store, org: Organisation, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = saved
    before = file_of(folder, org).read_bytes()
    add(store, org, "one")

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("theodora.storage.metrics.column_files.write_columns", fail)
        with pytest.raises(OSError, match="No space"):
            save(store)
    assert file_of(folder, org).read_bytes() == before
    assert count(store, org) == 2


@ON_SQLITE
@pytest.mark.usefixtures("saved")
def test_the_file_of_an_organisation_is_removed(org: Organisation, folder: Path) -> None:
    assert file_of(folder, org)
    for _ in range(2):
        remove_column_file(folder, org.uuid)
        assert not list(folder.iterdir())


@ON_SQLITE
def test_the_worker_saves_as_soon_as_rows_were_read(
    opened: Open, org: Organisation, folder: Path
) -> None:
    store = opened()
    worker = SaverWorker(store.metrics)
    worker.start()
    add(store, org, "one")
    try:
        count(store, org)
        until_sec = time.monotonic() + 20
        while not (folder.exists() and list(folder.glob("*.columns"))):
            assert time.monotonic() < until_sec
            time.sleep(0.01)
    finally:
        worker.stop(20)
    assert not has_read_rows(opened(), org)


@ON_SQLITE
def test_the_worker_logs_a_failure_once(
    opened: Open, org: Organisation, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder.touch()
    store = opened()
    add(store, org, "one")
    count(store, org)
    worker = SaverWorker(store.metrics)
    worker.start()
    try:
        for _ in range(3):
            store.metrics.save_due.set()
            while store.metrics.save_due.is_set():
                time.sleep(0.01)
    finally:
        worker.stop(20)
    assert capsys.readouterr().out.count("columns cannot be saved in files") == 1


@ON_SQLITE
@pytest.mark.parametrize(
    ("setting", "names"),
    [("", ["theodora.db-columns"]), ("elsewhere", ["elsewhere"]), ("no", [])],
)
def test_a_server_keeps_files_beside_the_database_or_in_the_folder_of_the_setting(
    tmp_path: Path, setting: str, names: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    if setting == "elsewhere":
        setting = str(tmp_path / setting)
    loads: list[int] = []
    load = columns.CachedDeployments.load

    def counted(self: columns.CachedDeployments, *others: Any) -> None:
        loads[-1] += 1
        load(self, *others)

    monkeypatch.setattr(columns.CachedDeployments, "load", counted)
    for _ in range(2):
        loads.append(0)
        with server_in_process(tmp_path, metrics_folder=setting, derive="yes") as (built, _):
            org = built.store.keys.organisation("default")
            add(built.store, org, "one")
            assert count(built.store, org) == 1
            until_sec = time.monotonic() + 20
            while names and not list(tmp_path.glob("*/*.columns")):
                assert time.monotonic() < until_sec
                time.sleep(0.01)
    assert loads == ([1, 0] if names else [1, 1])
    assert [folder.name for folder in tmp_path.iterdir() if folder.is_dir()] == names


@ON_SQLITE
def test_a_server_removes_the_files_of_deleted_organisations(tmp_path: Path) -> None:
    with server_in_process(tmp_path) as (built, _):
        gone = organisation(built.store, "gone")
        planned = built.store.organisations.plan_deletion(gone, 1, 0, actor=TESTER)
        planned.result()
        week_ns = 8 * DAY_NS
        built.store.organisations.delete_due(week_ns, actor=TESTER)
    folder = tmp_path / "columns"
    folder.mkdir(exist_ok=True)
    (folder / f"{gone.uuid}.columns").touch()
    with server_in_process(tmp_path, derive="yes"):
        until_sec = time.monotonic() + 20
        while list(folder.iterdir()):
            assert time.monotonic() < until_sec
            time.sleep(0.01)


def _read_all(url: str, folder: str, org: str, results: Any) -> None:
    with Store(url, columns_folder=Path(folder)) as store:
        found = store.keys.organisation(org)
        read = has_read_rows(store, found)
        results.put((read, count(store, found)))


@ON_SQLITE
def test_a_process_starts_while_the_file_is_replaced(
    database: str, opened: Open, org: Organisation, saved: Store, folder: Path
) -> None:
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    process = context.Process(target=_read_all, args=(database, str(folder), org.name, results))
    process.start()
    number = 0
    while process.is_alive():
        add(saved, org, f"one-{number}")
        number += 1
        save(saved)
    process.join()
    assert process.exitcode == 0
    has_read, counted = results.get(timeout=20)
    assert not has_read
    assert 1 <= counted <= number + 1
