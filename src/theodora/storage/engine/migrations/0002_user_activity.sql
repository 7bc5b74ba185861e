-- What people did with AI coding tools, a row a person, day and tool.

CREATE TABLE user_activity (
  org INTEGER NOT NULL REFERENCES organisations (org),
  -- In lower case, to be matched with the addresses of commit authors.
  user_email TEXT NOT NULL,
  -- YYYY-MM-DD.
  day TEXT NOT NULL,
  tool TEXT NOT NULL,
  is_active INTEGER NOT NULL,
  -- A JSON array; NULL where there are none.
  models TEXT,
  PRIMARY KEY (org, day, user_email, tool)
) WITHOUT ROWID;
