-- The log: entries and events share one gap-free seq; tiles hold the leaf hashes.
CREATE TABLE log_state (
  id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
  origin TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  size BIGINT NOT NULL,
  root BLOB NOT NULL,
  recorded_at BIGINT NOT NULL,
  states_from BIGINT NOT NULL
);
CREATE TABLE entries (
  seq INTEGER NOT NULL PRIMARY KEY,
  recorded_at BIGINT NOT NULL,
  source BIGINT NOT NULL,
  source_ref TEXT NOT NULL,
  account BIGINT NOT NULL,
  position BIGINT NOT NULL,
  prev BIGINT,
  jump BIGINT,
  kind SMALLINT NOT NULL,
  direction SMALLINT NOT NULL,
  amount BIGINT NOT NULL,
  currency TEXT NOT NULL,
  balance_before BIGINT,
  balance_after BIGINT,
  booked_at BIGINT NOT NULL,
  value_date INTEGER,
  business_date INTEGER NOT NULL,
  flags SMALLINT NOT NULL,
  transaction_ref TEXT,
  account_seq BIGINT,
  context BIGINT NOT NULL,
  delivery BIGINT NOT NULL,
  channel SMALLINT,
  instrument SMALLINT,
  status SMALLINT NOT NULL,
  reverses TEXT,
  rules BIGINT NOT NULL,
  outcomes TEXT,
  blind BLOB NOT NULL
);
CREATE TABLE events (
  seq INTEGER NOT NULL PRIMARY KEY,
  recorded_at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  blind BLOB NOT NULL
);
CREATE TABLE tiles (
  level SMALLINT NOT NULL,
  idx BIGINT NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (level, idx)
);
-- Private parts: erasable, beside the leaf that commits to them.
CREATE TABLE entry_parts (
  seq INTEGER NOT NULL PRIMARY KEY,
  salt BLOB NOT NULL,
  party TEXT,
  counterparty TEXT,
  counterparty_name TEXT,
  counterparty_country TEXT,
  reason TEXT
);
CREATE TABLE event_parts (
  seq INTEGER NOT NULL PRIMARY KEY,
  salt BLOB NOT NULL,
  body TEXT NOT NULL
);
-- Sorted runs over closed segments: key to seq, rebuildable from the rows.
CREATE TABLE index_runs (
  id INTEGER NOT NULL PRIMARY KEY,
  kind SMALLINT NOT NULL,
  first_seq BIGINT NOT NULL,
  last_seq BIGINT NOT NULL,
  entries BIGINT NOT NULL,
  pages BIGINT NOT NULL,
  ready SMALLINT NOT NULL
);
CREATE TABLE index_pages (
  run BIGINT NOT NULL,
  page BIGINT NOT NULL,
  first_key BIGINT NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (run, page)
);
-- Append-only: not even our own code may change or remove a row.
CREATE TRIGGER entries_no_update BEFORE UPDATE ON entries BEGIN SELECT RAISE(ABORT, 'entries is append-only'); END;
CREATE TRIGGER entries_no_delete BEFORE DELETE ON entries BEGIN SELECT RAISE(ABORT, 'entries is append-only'); END;
CREATE TRIGGER events_no_update BEFORE UPDATE ON events BEGIN SELECT RAISE(ABORT, 'events is append-only'); END;
CREATE TRIGGER events_no_delete BEFORE DELETE ON events BEGIN SELECT RAISE(ABORT, 'events is append-only'); END;
CREATE TRIGGER tiles_no_update BEFORE UPDATE ON tiles BEGIN SELECT RAISE(ABORT, 'tiles is append-only'); END;
CREATE TRIGGER tiles_no_delete BEFORE DELETE ON tiles BEGIN SELECT RAISE(ABORT, 'tiles is append-only'); END;
