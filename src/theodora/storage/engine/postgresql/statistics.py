"""Planner statistics of growing tables.

PostgreSQL looks for itself, but only about once a minute. To a table that was empty when it last
looked any index seems as good as another, and it then finds an event by its id among all of them.
An import writes thousands in that minute, each looked for so.
"""

import time
from collections.abc import Collection

from theodora.storage.engine.cursor import Cursor
from theodora.storage.engine.writer import Upkeep

_LOOK_SECONDS = 1.0
_LOOK = """
DO $$
DECLARE
  grown regclass;
BEGIN
  FOR grown IN
    SELECT c.oid FROM pg_stat_user_tables s JOIN pg_class c ON c.oid = s.relid
    WHERE s.schemaname = current_schema() AND pg_has_role(c.relowner, 'USAGE')
      AND s.n_live_tup > 500 + 2 * greatest(c.reltuples, 0)
  LOOP
    -- A sample that is small and soon taken: writers wait for it.
    PERFORM set_config('default_statistics_target', '10', true);
    -- Where PostgreSQL itself is just looking, there is no need to.
    PERFORM set_config('lock_timeout', '10ms', true);
    BEGIN
      EXECUTE format('ANALYZE %s', grown);
    EXCEPTION WHEN lock_not_available THEN
      NULL;
    END;
  END LOOP;
END $$
"""


class Statistics:
    """Looks now and then whether a table has doubled; used by one thread at a time."""

    def __init__(self) -> None:
        self._looked_sec = -_LOOK_SECONDS

    def keep_up(
        self, upkeep: Upkeep, cursor: Cursor, orgs: Collection[int] | None
    ) -> Collection[int]:
        """Does upkeep, and what there is to do here."""
        left = upkeep(cursor, orgs)
        now_sec = time.monotonic()
        if now_sec - self._looked_sec >= _LOOK_SECONDS:
            self._looked_sec = now_sec
            cursor.execute(_LOOK)
        return left
