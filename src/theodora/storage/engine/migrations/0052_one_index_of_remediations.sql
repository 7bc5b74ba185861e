-- The same index as deployments_remedied, made a second time.
DROP INDEX deployments_by_remediation_id;
