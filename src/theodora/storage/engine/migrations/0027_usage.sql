-- What each organisation has, for its quotas; changed in the transaction of every write.
CREATE TABLE usage (
  org BIGINT PRIMARY KEY REFERENCES organisations (org),
  -- Deployments and failures.
  events BIGINT NOT NULL,
  -- Of the documents of events, in UTF-8.
  bytes BIGINT NOT NULL,
  -- Those with commits or pull requests.
  repositories BIGINT NOT NULL
);
INSERT INTO usage (org, events, bytes, repositories)
SELECT org, sum(events), sum(bytes), sum(repositories) FROM (
  SELECT org, 1 AS events, octet_length(document) AS bytes, 0 AS repositories FROM deployments
  UNION ALL SELECT org, 1, octet_length(document), 0 FROM failures
  UNION ALL SELECT org, 0, 0, 1 FROM repositories
) stored GROUP BY org;
