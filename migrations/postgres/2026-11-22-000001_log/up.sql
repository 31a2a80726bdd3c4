-- The log: entries and events share one gap-free seq; tiles hold the leaf hashes.
CREATE TABLE log_state (
  id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
  origin TEXT NOT NULL,
  epoch BIGINT NOT NULL,
  size BIGINT NOT NULL,
  root BYTEA NOT NULL,
  recorded_at BIGINT NOT NULL,
  states_from BIGINT NOT NULL
);
CREATE TABLE entries (
  seq BIGINT NOT NULL PRIMARY KEY,
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
  blind BYTEA NOT NULL
);
CREATE TABLE events (
  seq BIGINT NOT NULL PRIMARY KEY,
  recorded_at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  body TEXT NOT NULL,
  blind BYTEA NOT NULL
);
CREATE TABLE tiles (
  level SMALLINT NOT NULL,
  idx BIGINT NOT NULL,
  data BYTEA NOT NULL,
  PRIMARY KEY (level, idx)
);
-- Private parts: erasable, beside the leaf that commits to them.
CREATE TABLE entry_parts (
  seq BIGINT NOT NULL PRIMARY KEY,
  salt BYTEA NOT NULL,
  party TEXT,
  counterparty TEXT,
  counterparty_name TEXT,
  counterparty_country TEXT,
  reason TEXT
);
CREATE TABLE event_parts (
  seq BIGINT NOT NULL PRIMARY KEY,
  salt BYTEA NOT NULL,
  body TEXT NOT NULL
);
-- Sorted runs over closed segments: key to seq, rebuildable from the rows.
CREATE TABLE index_runs (
  id BIGINT NOT NULL PRIMARY KEY,
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
  data BYTEA NOT NULL,
  PRIMARY KEY (run, page)
);
-- Append-only: not even our own code may change or remove a row.
CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '% is append-only', TG_TABLE_NAME;
END $$;
CREATE TRIGGER entries_append_only BEFORE UPDATE OR DELETE ON entries FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entries_no_truncate BEFORE TRUNCATE ON entries FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE entries ENABLE ALWAYS TRIGGER entries_append_only;
ALTER TABLE entries ENABLE ALWAYS TRIGGER entries_no_truncate;
CREATE TRIGGER events_append_only BEFORE UPDATE OR DELETE ON events FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER events_no_truncate BEFORE TRUNCATE ON events FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE events ENABLE ALWAYS TRIGGER events_append_only;
ALTER TABLE events ENABLE ALWAYS TRIGGER events_no_truncate;
CREATE TRIGGER tiles_append_only BEFORE UPDATE OR DELETE ON tiles FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER tiles_no_truncate BEFORE TRUNCATE ON tiles FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE tiles ENABLE ALWAYS TRIGGER tiles_append_only;
ALTER TABLE tiles ENABLE ALWAYS TRIGGER tiles_no_truncate;
