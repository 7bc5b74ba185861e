"""Permissions and roles: what each adds, what old keys have, and their page.

When docs/people.md lags, write it again: PYTHONPATH=tests .venv/bin/python THIS_FILE
"""

from itertools import pairwise
from pathlib import Path

import pytest

from actors import TESTER
from databases import ON_SQLITE
from theodora.query.reference import code, table, with_tables
from theodora.storage import Store
from theodora.storage.access.keys import PERMISSIONS_OF, Key
from theodora.storage.access.permissions import PERMISSIONS, READ, ROLES, WRITE, WRITE_SETTINGS
from theodora.storage.engine.migrate import migrations

PAGE = Path(__file__).parents[3] / "docs" / "people.md"
EVERY = frozenset(PERMISSIONS_OF["application"])


def written() -> str:
    """The page with its tables."""
    permissions = table(
        ("permission", "what it allows"), ((code(row.name), row.detail) for row in PERMISSIONS)
    )
    roles = table(
        ("role", *(code(name) for name in PERMISSIONS_OF["application"]), "for"),
        (
            (
                role.name,
                *(
                    "yes" if name in role.permissions else ""
                    for name in PERMISSIONS_OF["application"]
                ),
                role.is_for,
            )
            for role in ROLES
        ),
    )
    return with_tables(PAGE.read_text(), {"permissions": permissions, "roles": roles})


def test_the_page_has_the_permissions_and_roles_of_today() -> None:
    assert PAGE.read_text() == written()


def test_each_role_has_the_permissions_of_the_one_before_and_more() -> None:
    for lesser, greater in pairwise(ROLES):
        assert lesser.permissions < greater.permissions
    assert ROLES[-1].permissions == EVERY


@ON_SQLITE
@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({READ, WRITE, WRITE_SETTINGS}, EVERY),
        ({READ, WRITE_SETTINGS}, {READ, WRITE_SETTINGS}),
        ({WRITE_SETTINGS}, {WRITE_SETTINGS}),
    ],
)
def test_an_old_key_with_every_permission_keeps_every_one(
    store: Store, before: set[str], after: set[str]
) -> None:
    key = _made(store, frozenset(before))
    [upgrade] = [each for each in migrations() if each.title == "permissions_of_owners"]
    store._database.write(
        lambda cursor: cursor.execute(upgrade.sql),  # type: ignore[arg-type]
        TESTER,
        org=key.organisation.key,
    ).result()
    [found] = [each for each in store.keys.all_of("default") if each.id == key.id]
    assert found.permissions == after


def _made(store: Store, permissions: frozenset[str]) -> Key:
    return store.keys.add(
        "default", "application", "s" * 40, name="", permissions=permissions, now_ns=1, actor=TESTER
    ).result()


if __name__ == "__main__":
    PAGE.write_text(written())
