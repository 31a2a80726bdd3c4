-- Whatever the bank keeps besides balances; id is the seq of the event record.defined. A record belongs to the source that sent it.
CREATE TABLE records (
  id BIGINT NOT NULL PRIMARY KEY,
  source BIGINT NOT NULL,
  kind TEXT NOT NULL,
  reference TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX records_reference ON records (source, kind, reference);
CREATE INDEX records_kind ON records (kind, id);
-- A record's changes, numbered from 1; seq is that of the event record.changed. effective_at never decreases along a record.
CREATE TABLE record_changes (
  seq BIGINT NOT NULL PRIMARY KEY,
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
  salt BYTEA,
  data_key BIGINT,
  nonce BYTEA,
  sealed BYTEA,
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
  seq BIGINT NOT NULL PRIMARY KEY,
  record BIGINT NOT NULL,
  fields INTEGER NOT NULL,
  state SMALLINT NOT NULL,
  business_date INTEGER NOT NULL,
  opened_at BIGINT NOT NULL,
  closed_by BIGINT
);
CREATE INDEX record_breaks_state ON record_breaks (state, seq);
-- Records and their changes stay; an erasure takes out what is personal of them, and nothing else is ever changed.
CREATE FUNCTION refuse_record_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'UPDATE' OR NEW.id <> OLD.id OR NEW.source <> OLD.source OR NEW.kind <> OLD.kind
    OR NEW.created_at <> OLD.created_at OR NEW.reference <> ' erased ' || OLD.id OR NOT is_being_erased(OLD.id) THEN
    RAISE EXCEPTION 'records change only under an erasure';
  END IF;
  RETURN NEW;
END $$;
CREATE FUNCTION refuse_version_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'UPDATE' OR NEW.seq <> OLD.seq OR NEW.record <> OLD.record OR NEW.version <> OLD.version
    OR NEW.source <> OLD.source OR NEW.source_ref IS DISTINCT FROM OLD.source_ref OR NEW.action <> OLD.action
    OR NEW.class <> OLD.class OR NEW.changed_at <> OLD.changed_at OR NEW.effective_at <> OLD.effective_at
    OR NEW.recorded_at <> OLD.recorded_at OR NEW.fields <> OLD.fields OR NEW.actor IS NOT NULL
    OR NEW.restores IS DISTINCT FROM OLD.restores OR NOT is_being_erased(OLD.seq) THEN
    RAISE EXCEPTION 'record_changes change only under an erasure';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER records_erased_only BEFORE UPDATE OR DELETE ON records FOR EACH ROW EXECUTE FUNCTION refuse_record_change();
CREATE TRIGGER record_changes_erased_only BEFORE UPDATE OR DELETE ON record_changes FOR EACH ROW EXECUTE FUNCTION refuse_version_change();
CREATE TRIGGER record_fields_erased_only BEFORE UPDATE OR DELETE ON record_fields FOR EACH ROW EXECUTE FUNCTION refuse_unless_erased();
CREATE TRIGGER records_no_truncate BEFORE TRUNCATE ON records FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER record_changes_no_truncate BEFORE TRUNCATE ON record_changes FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER record_fields_no_truncate BEFORE TRUNCATE ON record_fields FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE records ENABLE ALWAYS TRIGGER records_erased_only;
ALTER TABLE records ENABLE ALWAYS TRIGGER records_no_truncate;
ALTER TABLE record_changes ENABLE ALWAYS TRIGGER record_changes_erased_only;
ALTER TABLE record_changes ENABLE ALWAYS TRIGGER record_changes_no_truncate;
ALTER TABLE record_fields ENABLE ALWAYS TRIGGER record_fields_erased_only;
ALTER TABLE record_fields ENABLE ALWAYS TRIGGER record_fields_no_truncate;
