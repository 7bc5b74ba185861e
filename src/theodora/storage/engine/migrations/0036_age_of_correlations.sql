-- Correlations that nothing refers to are deleted one day: since when each is known.
ALTER TABLE correlations ADD COLUMN noted_at_ns BIGINT NOT NULL DEFAULT 0;
-- Of older ones nobody knows. They count as if they came with the newest webhook.
UPDATE correlations SET noted_at_ns = COALESCE((SELECT max(received_at_ns) FROM inbox), 0);
