-- Organisations that have received events which may not be indexed: upkeep finds them without
-- looking at all organisations.
CREATE TABLE organisations_to_index (
  org BIGINT NOT NULL,
  PRIMARY KEY (org)
) WITHOUT ROWID;
INSERT INTO organisations_to_index (org)
  SELECT r.org FROM counters r WHERE r.name = 'receipt' AND EXISTS (
    SELECT 1 FROM counters i WHERE i.org = r.org AND i.value < r.value
    AND i.name IN ('deployments_indexed', 'failures_indexed'));
