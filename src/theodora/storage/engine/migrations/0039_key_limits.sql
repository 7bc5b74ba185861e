-- Limits and expiry of keys, how each begins, and the addresses that it is used from.

-- Its first characters, by which a key that was found is recognised; empty for older keys.
ALTER TABLE keys ADD COLUMN beginning TEXT NOT NULL DEFAULT '';
-- NULL: never.
ALTER TABLE keys ADD COLUMN expires_at_ns BIGINT;
-- A JSON object, as in storage/access/key_limits.py.
ALTER TABLE keys ADD COLUMN limits TEXT NOT NULL DEFAULT '{}';

CREATE TABLE key_addresses (
  org BIGINT NOT NULL REFERENCES organisations (org),
  key_id TEXT NOT NULL,
  address TEXT NOT NULL,
  first_at_ns BIGINT NOT NULL,
  last_at_ns BIGINT NOT NULL,
  PRIMARY KEY (org, key_id, address)
) WITHOUT ROWID;
