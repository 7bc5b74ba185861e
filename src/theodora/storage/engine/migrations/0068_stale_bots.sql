-- Organisations whose own list of bots has been set otherwise, until all their pull requests are
-- evaluated by it.
CREATE TABLE stale_bots (
  org BIGINT NOT NULL PRIMARY KEY REFERENCES organisations (org),
  -- Pull requests up to this one, in order of repository and number, have been seen to.
  repository BIGINT NOT NULL,
  number BIGINT NOT NULL
);
