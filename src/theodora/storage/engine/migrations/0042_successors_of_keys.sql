-- The key that replaces this one after it was rotated; NULL without any.
ALTER TABLE keys ADD COLUMN successor_id TEXT;
