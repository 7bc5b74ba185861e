-- When a failure was active that was reopened: a JSON array of pairs of start and end. Null if it
-- was active from start to finish.
ALTER TABLE failures ADD COLUMN periods TEXT;
