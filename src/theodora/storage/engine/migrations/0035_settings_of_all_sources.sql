-- Settings that all sources of an organisation follow where they have none of their own.

CREATE TABLE common_source_settings (
  org BIGINT PRIMARY KEY REFERENCES organisations (org),
  -- A JSON object.
  settings TEXT NOT NULL
);
