-- A row for each organisation that its writes lock and raise: they come one after another, and wait
-- for no other organisation's.
INSERT INTO counters (org, name, value) SELECT org, 'commits', 0 FROM organisations;
