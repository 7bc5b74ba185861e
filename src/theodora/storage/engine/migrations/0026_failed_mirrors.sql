-- How often in a row fetching a mirror has failed: after too many it is given up.
ALTER TABLE mirrors ADD COLUMN failures BIGINT NOT NULL DEFAULT 0;
