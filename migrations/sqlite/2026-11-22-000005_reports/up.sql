-- Stored reports never change; jobs and the inbox are how work reaches the leader.
CREATE TABLE reports (
  business_date INTEGER NOT NULL,
  version INTEGER NOT NULL,
  status TEXT NOT NULL,
  seq BIGINT NOT NULL,
  seq_from BIGINT NOT NULL,
  seq_to BIGINT NOT NULL,
  computed_at BIGINT NOT NULL,
  body TEXT NOT NULL,
  html TEXT NOT NULL,
  body_sha256 TEXT NOT NULL,
  html_sha256 TEXT NOT NULL,
  PRIMARY KEY (business_date, version)
);
CREATE TABLE jobs (
  name TEXT NOT NULL PRIMARY KEY,
  started_at BIGINT NOT NULL,
  finished_at BIGINT,
  outcome TEXT
);
CREATE TABLE inbox (
  id INTEGER NOT NULL PRIMARY KEY,
  created_at BIGINT NOT NULL,
  request TEXT NOT NULL,
  answer TEXT,
  answered_at BIGINT
);
-- Append-only: not even our own code may change or remove a row.
CREATE TRIGGER reports_no_update BEFORE UPDATE ON reports BEGIN SELECT RAISE(ABORT, 'reports is append-only'); END;
CREATE TRIGGER reports_no_delete BEFORE DELETE ON reports BEGIN SELECT RAISE(ABORT, 'reports is append-only'); END;
