"""The database as a file."""

from pathlib import Path

from theodora.events import Deployment
from theodora.query import Kind, sort_key
from theodora.storage import Selection, Store
from theodora.web.wire import render


def test_after_closing_the_file_alone_is_the_database(tmp_path: Path) -> None:
    """The log is folded back, although readers were open to the end."""
    path = tmp_path / "theodora.db"
    started_at = sort_key("started_at", Kind.DEPLOYMENT)
    assert started_at is not None
    with Store(f"sqlite:///{path}", render) as store:
        org = store.keys.ensure_organisation("default", 1).result()
        event = Deployment(service="web", started_at_ns=1, finished_at_ns=1)
        store.deployments.add(org, event, 1).result()
        assert store.deployments.select(org, Selection(sort=started_at, limit=1))
    assert sorted(file.name for file in tmp_path.iterdir()) == ["theodora.db"]
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    with Store(f"sqlite:///{copy}", render) as store:
        assert store.deployments.count() == 1
