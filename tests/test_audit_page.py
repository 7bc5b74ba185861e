"""docs/audit.md lists every action.

When its table lags, write it again: PYTHONPATH=tests .venv/bin/python tests/test_audit_page.py
"""

from pathlib import Path

from theodora.query.reference import table, with_tables
from theodora.storage.engine.audit_actions import AUDIT_ACTIONS

PAGE = Path(__file__).parents[1] / "docs" / "audit.md"


def written() -> str:
    rows = [(f"`{each.name}`", each.target, each.meaning) for each in AUDIT_ACTIONS]
    return with_tables(PAGE.read_text(), {"actions": table(("action", "target", "meaning"), rows)})


def test_the_page_lists_every_action() -> None:
    assert PAGE.read_text() == written()


if __name__ == "__main__":
    PAGE.write_text(written())
