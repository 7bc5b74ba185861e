-- What people note on charts: something that happened at a time, such as a move to another tool.

CREATE TABLE annotations (
  org BIGINT NOT NULL REFERENCES organisations (org),
  -- Made from the time, the text and what it is about, so that one is stored once.
  id TEXT NOT NULL,
  at_ns BIGINT NOT NULL,
  text TEXT NOT NULL,
  -- What it is about; all three are empty for everything.
  service TEXT NOT NULL,
  team TEXT NOT NULL,
  env TEXT NOT NULL,
  created_at_ns BIGINT NOT NULL,
  -- Name of the key or the person.
  created_by TEXT NOT NULL,
  PRIMARY KEY (org, id)
) WITHOUT ROWID;
CREATE INDEX annotations_by_time ON annotations (org, at_ns, id);
