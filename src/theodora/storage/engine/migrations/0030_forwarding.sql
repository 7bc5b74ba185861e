-- Forwarding to a site of Datadog: where to, and the changes that wait to be sent.

CREATE TABLE forwarding (
  org BIGINT PRIMARY KEY REFERENCES organisations (org),
  -- Of the API.
  url TEXT NOT NULL,
  -- In the clear: requests are sent with them.
  api_key TEXT NOT NULL,
  app_key TEXT NOT NULL,
  begun_at_ns BIGINT NOT NULL,
  -- Why nothing is sent until it is resumed; empty while it runs.
  paused TEXT NOT NULL DEFAULT '',
  -- Why the last try failed; empty if it did not.
  problem TEXT NOT NULL DEFAULT '',
  -- Tries in a row that failed.
  tries BIGINT NOT NULL DEFAULT 0,
  -- Nothing is tried before.
  not_before_ns BIGINT NOT NULL DEFAULT 0,
  -- Which worker sends, and until when no other one does.
  leased_by TEXT NOT NULL DEFAULT '',
  leased_until_ns BIGINT NOT NULL DEFAULT 0,
  -- Rows in the outbox.
  queued BIGINT NOT NULL DEFAULT 0,
  -- Whether the outbox had no room for the last change.
  is_full INTEGER NOT NULL DEFAULT 0,
  -- Changes that it had no room for.
  omitted BIGINT NOT NULL DEFAULT 0,
  sent BIGINT NOT NULL DEFAULT 0,
  last_sent_at_ns BIGINT NOT NULL DEFAULT 0
);

CREATE TABLE outbox (
  org BIGINT NOT NULL REFERENCES organisations (org),
  -- From the counter of receipts: it rises in the order of the changes.
  number BIGINT NOT NULL,
  -- deployment or failure.
  kind TEXT NOT NULL,
  -- The event's id.
  event TEXT NOT NULL,
  -- put, patch or delete.
  operation TEXT NOT NULL,
  -- The attributes of the request, a JSON object; empty for a delete.
  document TEXT NOT NULL,
  queued_at_ns BIGINT NOT NULL,
  -- waiting or parked.
  state TEXT NOT NULL,
  -- Why it is parked.
  reason TEXT NOT NULL,
  PRIMARY KEY (org, number)
) WITHOUT ROWID;
CREATE INDEX outbox_by_state ON outbox (org, state, number);
CREATE INDEX outbox_by_event ON outbox (org, kind, event, number);
