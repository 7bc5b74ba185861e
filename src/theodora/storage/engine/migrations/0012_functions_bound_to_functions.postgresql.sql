-- Functions that use others name them once and for all, here, and not whenever they are called:
-- where a server of Citus calls them, the schema that they lie in is not searched.

CREATE OR REPLACE FUNCTION tag_order(held text, bound text) RETURNS bigint
  LANGUAGE SQL IMMUTABLE PARALLEL SAFE RETURN
  CASE
    WHEN as_number(held) IS NOT NULL AND as_number(bound) IS NOT NULL
      THEN sign(as_number(held) - as_number(bound))::bigint
    WHEN held COLLATE "C" > bound COLLATE "C" THEN 1
    WHEN held COLLATE "C" < bound COLLATE "C" THEN -1
    ELSE 0
  END;

CREATE OR REPLACE FUNCTION tag_lies_between(
  held text, low text, low_inclusive bigint, high text, high_inclusive bigint
) RETURNS boolean LANGUAGE SQL IMMUTABLE PARALLEL SAFE RETURN
  (low IS NULL OR tag_order(held, low) >= 1 - low_inclusive)
  AND (high IS NULL OR tag_order(held, high) <= high_inclusive - 1);
