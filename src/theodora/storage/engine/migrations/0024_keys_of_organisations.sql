-- A counter gives out the keys of organisations, so that none is used again after its organisation
-- was deleted: caches know organisations by their keys.
INSERT INTO counters (name, value) SELECT 'organisation', coalesce(max(org), 0) FROM organisations;
