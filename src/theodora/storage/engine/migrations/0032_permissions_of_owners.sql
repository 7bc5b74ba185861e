-- Retention and the organisation need a permission of their own, and so does the audit log. Keys that had every permission
-- still have: nothing that worked with them stops.

UPDATE keys SET permissions = 'dora_audit_read dora_metrics_read dora_metrics_write dora_organisation_write dora_settings_write'
WHERE kind = 'application' AND permissions = 'dora_metrics_read dora_metrics_write dora_settings_write';
