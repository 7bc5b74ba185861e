-- For how long events are kept; an organisation without a row keeps them for ever.

CREATE TABLE retention (
  org BIGINT PRIMARY KEY REFERENCES organisations (org),
  days BIGINT NOT NULL
);
