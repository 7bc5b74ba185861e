-- Saved views: a page with its parameters, by a name, of a person or key or of the organisation.

CREATE TABLE saved_views (
  org BIGINT NOT NULL REFERENCES organisations (org),
  -- Whose it is, as in "person:ID"; empty for everybody's.
  owner TEXT NOT NULL,
  name TEXT NOT NULL,
  -- The page, and its parameters as in an address.
  path TEXT NOT NULL,
  query TEXT NOT NULL,
  -- Whether signing in leads to it: at most one of an owner.
  is_start INTEGER NOT NULL,
  saved_at_ns BIGINT NOT NULL,
  -- Name of the key or the person.
  saved_by TEXT NOT NULL,
  PRIMARY KEY (org, owner, name)
) WITHOUT ROWID;
