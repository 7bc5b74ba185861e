-- Notifications: who receives digests and alerts, and each message with what became of it.

CREATE TABLE receivers (
  org BIGINT NOT NULL REFERENCES organisations (org),
  id TEXT NOT NULL,
  -- slack, teams, email or webhook.
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  -- Where to. In the clear: messages are sent with it.
  url TEXT NOT NULL,
  -- Signs webhooks, in the clear; empty for other kinds.
  secret TEXT NOT NULL,
  -- Only about its services; empty for all.
  team TEXT NOT NULL,
  timezone TEXT NOT NULL,
  -- Days on which it receives something, separated by spaces: 0 is Monday.
  days TEXT NOT NULL,
  -- When the digest is sent on the first of these days in a week.
  hour INTEGER NOT NULL,
  -- Whether it receives digests, and alerts.
  digests INTEGER NOT NULL,
  alerts INTEGER NOT NULL,
  -- Hours after which an open failure has been open too long.
  open_hours BIGINT NOT NULL,
  created_at_ns BIGINT NOT NULL,
  PRIMARY KEY (org, id)
) WITHOUT ROWID;

CREATE TABLE messages (
  org BIGINT NOT NULL REFERENCES organisations (org),
  receiver TEXT NOT NULL,
  -- Its subject, such as a week or a failure: so it is queued once.
  key TEXT NOT NULL,
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  queued_at_ns BIGINT NOT NULL,
  -- waiting, sending, sent, failed or unknown.
  state TEXT NOT NULL,
  tries BIGINT NOT NULL DEFAULT 0,
  -- Nothing is tried before; while it is being sent, when that is given up.
  not_before_ns BIGINT NOT NULL DEFAULT 0,
  settled_at_ns BIGINT,
  -- Why it is not sent; empty where there is no reason.
  reason TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (org, receiver, key),
  FOREIGN KEY (org, receiver) REFERENCES receivers (org, id)
) WITHOUT ROWID;
CREATE INDEX messages_by_time ON messages (org, queued_at_ns);
CREATE INDEX messages_to_send ON messages (not_before_ns) WHERE settled_at_ns IS NULL;
