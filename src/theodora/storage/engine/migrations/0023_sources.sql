-- Webhooks: where they come from, what came in, and what each delivery says.

CREATE TABLE sources (
  org INTEGER NOT NULL REFERENCES organisations (org),
  -- Part of its URL; nobody else can guess it.
  id TEXT NOT NULL,
  -- As in sources/webhooks/table.py.
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  -- In the clear: signatures are computed from it.
  secret TEXT NOT NULL,
  -- A JSON object.
  settings TEXT NOT NULL,
  created_at_ns BIGINT NOT NULL,
  -- NULL while it takes deliveries.
  disabled_at_ns BIGINT,
  PRIMARY KEY (org, id)
) WITHOUT ROWID;
CREATE UNIQUE INDEX sources_by_id ON sources (id);

CREATE TABLE inbox (
  org INTEGER NOT NULL REFERENCES organisations (org),
  -- From the counter of receipts: it rises in the order of receipt.
  number BIGINT NOT NULL,
  kind TEXT NOT NULL,
  -- Empty for what came with an API key.
  source TEXT NOT NULL,
  received_at_ns BIGINT NOT NULL,
  -- A JSON object with the headers that matter.
  headers TEXT NOT NULL,
  body TEXT NOT NULL,
  -- waiting, done, ignored or failed.
  state TEXT NOT NULL,
  -- Why it was ignored or failed; what it says once it is done.
  reason TEXT NOT NULL,
  -- How often it was sent here again to be read: a result of an earlier time does not count.
  replays BIGINT NOT NULL DEFAULT 0,
  PRIMARY KEY (org, number)
) WITHOUT ROWID;
CREATE INDEX inbox_by_state ON inbox (org, state, number);
CREATE INDEX inbox_by_source ON inbox (org, kind, source, number);

-- What facts are about, and the event that was computed from them.
CREATE TABLE source_things (
  org INTEGER NOT NULL REFERENCES organisations (org),
  kind TEXT NOT NULL,
  thing TEXT NOT NULL,
  -- The id of the deployment or failure; empty for a pull request, NULL while there is no event.
  event TEXT,
  changed_at_ns BIGINT NOT NULL,
  PRIMARY KEY (org, kind, thing)
) WITHOUT ROWID;
CREATE INDEX source_things_by_event ON source_things (org, event);

CREATE TABLE source_facts (
  org INTEGER NOT NULL REFERENCES organisations (org),
  kind TEXT NOT NULL,
  thing TEXT NOT NULL,
  -- Made from the document: the same fact is stored once.
  digest TEXT NOT NULL,
  document TEXT NOT NULL,
  -- The number in the inbox of the last delivery that said so.
  delivery BIGINT NOT NULL,
  PRIMARY KEY (org, kind, thing, digest)
) WITHOUT ROWID;
CREATE INDEX source_facts_by_delivery ON source_facts (org, delivery);

-- Whether the parents of a commit are guessed from a push, which names none.
ALTER TABLE commits ADD COLUMN is_guessed INTEGER NOT NULL DEFAULT 0;
