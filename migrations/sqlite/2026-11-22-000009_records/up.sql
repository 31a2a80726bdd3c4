-- Whatever the bank keeps besides balances; id is the seq of the event record.defined. A record belongs to the source that sent it.
CREATE TABLE records (
  id INTEGER NOT NULL PRIMARY KEY,
  source BIGINT NOT NULL,
  kind TEXT NOT NULL,
  reference TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX records_reference ON records (source, kind, reference);
CREATE INDEX records_kind ON records (kind, id);
-- A record's changes, numbered from 1; seq is that of the event record.changed. effective_at never decreases along a record.
CREATE TABLE record_changes (
  seq INTEGER NOT NULL PRIMARY KEY,
  record BIGINT NOT NULL,
  version BIGINT NOT NULL,
  source BIGINT NOT NULL,
  source_ref TEXT,
  action SMALLINT NOT NULL,
  class SMALLINT NOT NULL,
  changed_at BIGINT NOT NULL,
  effective_at BIGINT NOT NULL,
  recorded_at BIGINT NOT NULL,
  fields INTEGER NOT NULL,
  actor TEXT,
  restores BIGINT
);
CREATE UNIQUE INDEX record_changes_version ON record_changes (record, version);
CREATE UNIQUE INDEX record_changes_reference ON record_changes (source, source_ref);
CREATE INDEX record_changes_actor ON record_changes (actor, seq);
-- What changed, field by field: values in clear, or sealed with their salt. The event commits to each.
CREATE TABLE record_fields (
  seq BIGINT NOT NULL,
  n INTEGER NOT NULL,
  path TEXT NOT NULL,
  old TEXT,
  new TEXT,
  old_digest TEXT,
  new_digest TEXT,
  salt BLOB,
  data_key BIGINT,
  nonce BLOB,
  sealed BLOB,
  PRIMARY KEY (seq, n)
);
-- Which change last set each field, every so many changes: a state is read from the nearest of these.
CREATE TABLE record_snapshots (
  record BIGINT NOT NULL,
  version BIGINT NOT NULL,
  body TEXT NOT NULL,
  PRIMARY KEY (record, version)
);
-- Changes whose `before` is not our last state.
CREATE TABLE record_breaks (
  seq INTEGER NOT NULL PRIMARY KEY,
  record BIGINT NOT NULL,
  fields INTEGER NOT NULL,
  state SMALLINT NOT NULL,
  business_date INTEGER NOT NULL,
  opened_at BIGINT NOT NULL,
  closed_by BIGINT
);
CREATE INDEX record_breaks_state ON record_breaks (state, seq);
-- Values never change, and go only at a place that an erasure of this transaction names.
CREATE TRIGGER record_fields_no_update BEFORE UPDATE ON record_fields BEGIN SELECT RAISE(ABORT, 'record_fields never change'); END;
CREATE TRIGGER record_fields_erased_only BEFORE DELETE ON record_fields
WHEN coalesce((SELECT last_seq FROM erased WHERE event = (SELECT max(id) FROM erasures WHERE id >= (SELECT size FROM log_state))
  AND first_seq <= OLD.seq ORDER BY first_seq DESC LIMIT 1), -1) < OLD.seq
BEGIN SELECT RAISE(ABORT, 'record_fields go only under an erasure'); END;
-- Records and their changes stay; an erasure takes out what is personal of them, and nothing else is ever changed.
CREATE TRIGGER records_no_delete BEFORE DELETE ON records BEGIN SELECT RAISE(ABORT, 'records is append-only'); END;
CREATE TRIGGER records_erased_only BEFORE UPDATE ON records
WHEN NEW.id <> OLD.id OR NEW.source <> OLD.source OR NEW.kind <> OLD.kind OR NEW.created_at <> OLD.created_at
  OR NEW.reference <> ' erased ' || OLD.id
  OR coalesce((SELECT last_seq FROM erased WHERE event = (SELECT max(id) FROM erasures WHERE id >= (SELECT size FROM log_state))
    AND first_seq <= OLD.id ORDER BY first_seq DESC LIMIT 1), -1) < OLD.id
BEGIN SELECT RAISE(ABORT, 'records change only under an erasure'); END;
CREATE TRIGGER record_changes_no_delete BEFORE DELETE ON record_changes
BEGIN SELECT RAISE(ABORT, 'record_changes is append-only'); END;
CREATE TRIGGER record_changes_erased_only BEFORE UPDATE ON record_changes
WHEN NEW.seq <> OLD.seq OR NEW.record <> OLD.record OR NEW.version <> OLD.version OR NEW.source <> OLD.source
  OR NEW.source_ref IS NOT OLD.source_ref OR NEW.action <> OLD.action OR NEW.class <> OLD.class
  OR NEW.changed_at <> OLD.changed_at OR NEW.effective_at <> OLD.effective_at OR NEW.recorded_at <> OLD.recorded_at
  OR NEW.fields <> OLD.fields OR NEW.actor IS NOT NULL OR NEW.restores IS NOT OLD.restores
  OR coalesce((SELECT last_seq FROM erased WHERE event = (SELECT max(id) FROM erasures WHERE id >= (SELECT size FROM log_state))
    AND first_seq <= OLD.seq ORDER BY first_seq DESC LIMIT 1), -1) < OLD.seq
BEGIN SELECT RAISE(ABORT, 'record_changes change only under an erasure'); END;
