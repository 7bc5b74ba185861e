-- Repositories by the key under which the known forms of one meet.

-- Filled in by the process that opens the store, since it is computed: see repository_rules.py.
ALTER TABLE repositories ADD COLUMN match_key TEXT;
CREATE INDEX repositories_by_match_key ON repositories (org, match_key);
-- The version of the rules for URLs, ids and keys that everything stored has gone through.
INSERT INTO counters (name, value) VALUES ('repository_rules', 0);
