-- Each organisation counts alone: what it receives, what of it is indexed, its changes.

-- 0 is the store itself.
ALTER TABLE counters ADD COLUMN org BIGINT NOT NULL DEFAULT 0;
ALTER TABLE counters ALTER COLUMN org DROP DEFAULT;
ALTER TABLE counters DROP CONSTRAINT counters_pkey;
ALTER TABLE counters ADD PRIMARY KEY (org, name);

-- Numbers begin at the organisation's key times 2^40: they are unique, and all that were given out
-- before are lower, whichever organisation has them.
INSERT INTO counters (org, name, value)
  SELECT org, 'receipt', org * 1099511627776 FROM organisations;
INSERT INTO counters (org, name, value)
  SELECT o.org, 'settings', coalesce(c.value, 0)
  FROM organisations o LEFT JOIN counters c ON c.org = 0 AND c.name = 'settings';
-- Where events wait to be indexed, those below the number that all had are indexed; where only a
-- segment may be missing, upkeep is to look once.
INSERT INTO counters (org, name, value)
  SELECT o.org, 'deployments_indexed', CASE
    WHEN o.org IN (SELECT d.org FROM deployments d WHERE d.key > i.value) THEN i.value
    WHEN o.org > s.value THEN o.org * 1099511627776 - 1
    ELSE o.org * 1099511627776 END
  FROM organisations o
  JOIN counters i ON i.org = 0 AND i.name = 'deployments_indexed'
  JOIN counters s ON s.org = 0 AND s.name = 'deployments_segmented';
INSERT INTO counters (org, name, value)
  SELECT o.org, 'failures_indexed', CASE
    WHEN o.org IN (SELECT f.org FROM failures f WHERE f.key > i.value) THEN i.value
    WHEN o.org > s.value THEN o.org * 1099511627776 - 1
    ELSE o.org * 1099511627776 END
  FROM organisations o
  JOIN counters i ON i.org = 0 AND i.name = 'failures_indexed'
  JOIN counters s ON s.org = 0 AND s.name = 'failures_segmented';
DELETE FROM counters WHERE org = 0 AND name IN (
  'receipt', 'settings', 'deployments_indexed', 'failures_indexed', 'deployments_segmented',
  'failures_segmented'
);

-- A log of changes for each organisation: its numbers follow one on the other, none twice.
ALTER TABLE changes DROP CONSTRAINT changes_pkey;
ALTER TABLE changes ALTER COLUMN number DROP IDENTITY;
ALTER TABLE changes ADD PRIMARY KEY (org, number);

CREATE INDEX marks_by_org ON marks (org, number);
CREATE INDEX marks_of_several ON marks (org) WHERE kind <> 'sequence';
