-- Ids that clients gave to events of several services or environments.

-- The id that the client gave where an event of another service or environment holds it; NULL
-- where the event has the id that came with it, or came without one.
ALTER TABLE deployments ADD COLUMN given_id TEXT;
ALTER TABLE failures ADD COLUMN given_id TEXT;
CREATE INDEX deployments_by_given_id ON deployments (org, given_id, service)
  WHERE given_id IS NOT NULL;
CREATE INDEX failures_by_given_id ON failures (org, given_id) WHERE given_id IS NOT NULL;
