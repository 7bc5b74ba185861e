-- What lets any number of processes derive side by side, and words found by `*:` alone.

ALTER TABLE deployments ADD COLUMN other_words TEXT NOT NULL DEFAULT '';
ALTER TABLE failures ADD COLUMN other_words TEXT NOT NULL DEFAULT '';
UPDATE deployments SET other_words = coalesce(spaced_words(source), '')
  || coalesce(spaced_words(repository_url), '') || coalesce(spaced_words(deployment_type), '')
  || coalesce(spaced_words(remediation_id), '') || coalesce(spaced_words(remediation_type), '');
UPDATE failures SET other_words =
  coalesce(spaced_words(source), '') || coalesce(spaced_words(repository_url), '');

-- How often each sequence has been derived, by any process: what one remembers of a sequence is
-- worthless once another has derived it.
CREATE TABLE sequences (
  org INTEGER NOT NULL REFERENCES organisations (org),
  service TEXT NOT NULL,
  env TEXT,
  generation BIGINT NOT NULL
);
CREATE INDEX sequences_by_service ON sequences (org, service, env);
DELETE FROM counters WHERE name = 'derivations';
-- How often commits or pull requests of the repository have changed.
ALTER TABLE repositories ADD COLUMN generation BIGINT NOT NULL DEFAULT 0;
