-- What lets any number of processes work side by side, and functions that SQLite is given by the
-- program: they have to say the same (see storage/sqlite/functions.py).

ALTER TABLE deployments ADD COLUMN other_words TEXT NOT NULL DEFAULT '';
ALTER TABLE failures ADD COLUMN other_words TEXT NOT NULL DEFAULT '';

-- How often each sequence has been derived, by any process: what one remembers of a sequence is
-- worthless once another has derived it.
CREATE TABLE sequences (
  org INTEGER NOT NULL REFERENCES organisations (org),
  service TEXT NOT NULL,
  env TEXT,
  generation BIGINT NOT NULL
);
CREATE INDEX sequences_by_service ON sequences (org, service, env);
DELETE FROM counters WHERE name = 'derivations';
-- How often commits or pull requests of the repository have changed.
ALTER TABLE repositories ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;

-- Raised by the first statement of every writing transaction: the lock on this row puts all of
-- them in order, and the number tells everybody that something has changed.
INSERT INTO counters (name, value) VALUES ('commits', 0);
-- Rows that are written in place again and again need room beside them.
ALTER TABLE counters SET (fillfactor = 20);
ALTER TABLE marks SET (autovacuum_vacuum_scale_factor = 0.01, autovacuum_vacuum_threshold = 1000);

CREATE FUNCTION instr(held text, sought text) RETURNS bigint
  LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS $$ SELECT strpos(held, sought)::bigint $$;

-- UTC with Z, and the fewest of 0, 3, 6 or 9 fraction digits that hold the instant.
CREATE FUNCTION rfc3339(instant_ns bigint) RETURNS text
  LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS $$
  SELECT to_char(
      timestamp '1970-01-01' + (seconds / 86400) * interval '1 day'
      + (seconds % 86400) * interval '1 second', 'YYYY-MM-DD"T"HH24:MI:SS')
    || CASE
      WHEN fraction = 0 THEN ''
      WHEN fraction % 1000000 = 0 THEN '.' || lpad((fraction / 1000000)::text, 3, '0')
      WHEN fraction % 1000 = 0 THEN '.' || lpad((fraction / 1000)::text, 6, '0')
      ELSE '.' || lpad(fraction::text, 9, '0')
    END || 'Z'
  FROM (
    SELECT div(instant_ns::numeric - fraction, 1000000000)::bigint AS seconds, fraction
    FROM (SELECT mod(mod(instant_ns, 1000000000) + 1000000000, 1000000000) AS fraction) last
    WHERE instant_ns IS NOT NULL
  ) parts
$$;

-- The words of numbers, instants and flags, as a line in which each has a space on either side.
CREATE FUNCTION spaced_words(held text) RETURNS text
  LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS $$
  SELECT ' ' || btrim(regexp_replace(lower(held), '[^a-z0-9_]+', ' ', 'g')) || E' \n'
$$;

-- `sought` is a regular expression here.
CREATE FUNCTION words_stand_in(sought text, spaced text) RETURNS boolean
  LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS $$ SELECT coalesce(spaced ~ sought, FALSE) $$;

CREATE FUNCTION as_number(held text) RETURNS numeric
  LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN held ~ '^[+-]?([0-9]+(\.[0-9]+)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?$'
    THEN held::numeric END
$$;

-- 1, 0 or -1, as a tag's value comes after, with or before the end of a range.
CREATE FUNCTION tag_order(held text, bound text) RETURNS bigint
  LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE
    WHEN as_number(held) IS NOT NULL AND as_number(bound) IS NOT NULL
      THEN sign(as_number(held) - as_number(bound))::bigint
    WHEN held COLLATE "C" > bound COLLATE "C" THEN 1
    WHEN held COLLATE "C" < bound COLLATE "C" THEN -1
    ELSE 0
  END
$$;

CREATE FUNCTION tag_lies_between(
  held text, low text, low_inclusive bigint, high text, high_inclusive bigint
) RETURNS boolean LANGUAGE SQL IMMUTABLE PARALLEL SAFE AS $$
  SELECT (low IS NULL OR tag_order(held, low) >= 1 - low_inclusive)
    AND (high IS NULL OR tag_order(held, high) <= high_inclusive - 1)
$$;
