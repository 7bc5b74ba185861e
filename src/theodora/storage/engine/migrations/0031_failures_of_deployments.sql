-- Failures that a deployment caused, as people linked them: a JSON array of ids, or NULL.
ALTER TABLE verdicts ADD COLUMN failure_ids TEXT;
ALTER TABLE verdict_acts ADD COLUMN failure_ids TEXT;
CREATE INDEX verdicts_with_failures ON verdicts (org) WHERE failure_ids IS NOT NULL;
