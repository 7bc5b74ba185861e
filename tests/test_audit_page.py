"""docs/audit.md lists every action and every field of a search.

When its tables lag, write it again: PYTHONPATH=tests .venv/bin/python tests/test_audit_page.py
"""

from pathlib import Path

from theodora.query.reference import table, with_tables
from theodora.storage.access.audit_search import AUDIT_FIELDS
from theodora.storage.engine.audit_actions import AUDIT_ACTIONS

PAGE = Path(__file__).parents[1] / "docs" / "audit.md"


def written() -> str:
    rows = [(f"`{each.name}`", each.target, each.meaning) for each in AUDIT_ACTIONS]
    fields = [(f"`{each.name}`", each.about) for each in AUDIT_FIELDS]
    tables = {
        "actions": table(("action", "target", "meaning"), rows),
        "fields": table(("field", "value"), fields),
    }
    return with_tables(PAGE.read_text(), tables)


def test_the_page_lists_every_action_and_field() -> None:
    assert PAGE.read_text() == written()


if __name__ == "__main__":
    PAGE.write_text(written())
