-- When somebody last used a key, to the minute; NULL where nobody ever has.
ALTER TABLE keys ADD COLUMN last_used_at_ns BIGINT;
