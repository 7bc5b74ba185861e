-- What is merged but not deployed: the head of a mirror's default branch, and what its sequences lack of it.

-- Null where the remote names no default branch, or was not fetched since.
ALTER TABLE mirrors ADD COLUMN head_sha TEXT;
-- Commits of the head that the newest deployment does not have; null where that is not known.
ALTER TABLE sequences ADD COLUMN undeployed BIGINT;
-- When the oldest of them was merged.
ALTER TABLE sequences ADD COLUMN undeployed_since_ns BIGINT;
