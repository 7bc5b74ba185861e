-- Members of created documents that nobody reads, such as misspelt ones, by key. Bounded for each
-- key and each organisation: those that were sent least often are deleted first.

CREATE TABLE ignored_members (
  org INTEGER NOT NULL REFERENCES organisations (org),
  key_id TEXT NOT NULL,
  kind TEXT NOT NULL,
  -- A JSON pointer, made of shortened names; empty for those beyond the bound.
  place TEXT NOT NULL,
  requests BIGINT NOT NULL,
  first_at_ns BIGINT NOT NULL,
  last_at_ns BIGINT NOT NULL,
  PRIMARY KEY (org, key_id, kind, place)
) WITHOUT ROWID;
