-- What was erased: id is the seq of the event parts.erased.
CREATE TABLE erasures (
  id BIGINT NOT NULL PRIMARY KEY,
  cause TEXT NOT NULL,
  proposal BIGINT,
  again BIGINT,
  places BIGINT NOT NULL,
  digest TEXT NOT NULL,
  erased_at BIGINT NOT NULL
);
-- The places whose private parts went with it; the digest in the event is over these ranges.
CREATE TABLE erased (
  event BIGINT NOT NULL,
  first_seq BIGINT NOT NULL,
  last_seq BIGINT NOT NULL,
  PRIMARY KEY (event, first_seq)
);
-- What must not be erased; id is the seq of the event hold.placed.
CREATE TABLE holds (
  id BIGINT NOT NULL PRIMARY KEY,
  scope TEXT NOT NULL,
  subject TEXT,
  account BIGINT,
  placed_at BIGINT NOT NULL,
  released_at BIGINT,
  released_seq BIGINT
);
-- Keys that open what is sealed without the program: the public part; id is the seq of recovery.made.
CREATE TABLE recovery_keys (
  id BIGINT NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  public_key BYTEA NOT NULL,
  challenge BYTEA NOT NULL,
  answer TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  tested_at BIGINT
);
-- The key of each month, wrapped twice; id is the seq of datakey.made.
CREATE TABLE data_keys (
  id BIGINT NOT NULL PRIMARY KEY,
  month INTEGER NOT NULL,
  master TEXT NOT NULL,
  wrapped BYTEA NOT NULL,
  recovery TEXT NOT NULL,
  recovery_wrapped BYTEA NOT NULL,
  made_at BIGINT NOT NULL
);
-- Private parts of entries that are declared sensitive, with the salt of all of them.
CREATE TABLE sealed_parts (
  seq BIGINT NOT NULL PRIMARY KEY,
  data_key BIGINT NOT NULL,
  fields SMALLINT NOT NULL,
  nonce BYTEA NOT NULL,
  sealed BYTEA NOT NULL
);
-- An erasure is an event of the same transaction: the log state does not count it yet. Nothing joins it later.
CREATE FUNCTION refuse_late_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.id < (SELECT size FROM log_state)
    OR NOT EXISTS (SELECT 1 FROM events WHERE seq = NEW.id AND kind = 'parts.erased') THEN
    RAISE EXCEPTION 'an erasure needs its event in the same transaction';
  END IF;
  RETURN NEW;
END $$;
CREATE FUNCTION refuse_late_range() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.event < (SELECT size FROM log_state) OR NOT EXISTS (SELECT 1 FROM erasures WHERE id = NEW.event) THEN
    RAISE EXCEPTION 'an erasure needs its event in the same transaction';
  END IF;
  RETURN NEW;
END $$;
-- Whether an erasure of this transaction names the place.
CREATE FUNCTION is_being_erased(place BIGINT) RETURNS boolean LANGUAGE sql STABLE AS $$
  SELECT coalesce((SELECT last_seq FROM erased
    WHERE event = (SELECT max(id) FROM erasures WHERE id >= (SELECT size FROM log_state))
    AND first_seq <= place ORDER BY first_seq DESC LIMIT 1), -1) >= place
$$;
-- Private parts never change, and go only at a place that an erasure of this transaction names.
CREATE FUNCTION refuse_unless_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'DELETE' OR NOT is_being_erased(OLD.seq) THEN
    RAISE EXCEPTION '% go only under an erasure', TG_TABLE_NAME;
  END IF;
  RETURN OLD;
END $$;
-- Accounts and contexts stay; an erasure takes out what is personal of them, and nothing else is ever changed.
CREATE FUNCTION refuse_account_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'UPDATE' OR NEW.id <> OLD.id OR NEW.source <> OLD.source OR NEW.currency <> OLD.currency
    OR NEW.created_at <> OLD.created_at OR NEW.number <> ' erased ' || OLD.id OR NOT is_being_erased(OLD.id) THEN
    RAISE EXCEPTION 'accounts change only under an erasure';
  END IF;
  RETURN NEW;
END $$;
CREATE FUNCTION refuse_context_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP <> 'UPDATE' OR NEW.id <> OLD.id OR NEW.source <> OLD.source OR NEW.fingerprint <> 0
    OR NEW.session_id IS NOT NULL OR NEW.ip IS NOT NULL OR NEW.user_agent IS NOT NULL OR NEW.device_id IS NOT NULL
    OR NEW.actor IS NOT NULL OR NEW.actor_kind IS NOT NULL OR NOT is_being_erased(OLD.id) THEN
    RAISE EXCEPTION 'contexts change only under an erasure';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER erasures_under_event BEFORE INSERT ON erasures FOR EACH ROW EXECUTE FUNCTION refuse_late_erasure();
CREATE TRIGGER erased_under_event BEFORE INSERT ON erased FOR EACH ROW EXECUTE FUNCTION refuse_late_range();
CREATE TRIGGER erasures_append_only BEFORE UPDATE OR DELETE ON erasures FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER erased_append_only BEFORE UPDATE OR DELETE ON erased FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entry_parts_erased_only BEFORE UPDATE OR DELETE ON entry_parts FOR EACH ROW EXECUTE FUNCTION refuse_unless_erased();
CREATE TRIGGER event_parts_erased_only BEFORE UPDATE OR DELETE ON event_parts FOR EACH ROW EXECUTE FUNCTION refuse_unless_erased();
CREATE TRIGGER sealed_parts_erased_only BEFORE UPDATE OR DELETE ON sealed_parts FOR EACH ROW EXECUTE FUNCTION refuse_unless_erased();
CREATE TRIGGER accounts_erased_only BEFORE UPDATE OR DELETE ON accounts FOR EACH ROW EXECUTE FUNCTION refuse_account_change();
CREATE TRIGGER contexts_erased_only BEFORE UPDATE OR DELETE ON contexts FOR EACH ROW EXECUTE FUNCTION refuse_context_change();
CREATE TRIGGER erasures_no_truncate BEFORE TRUNCATE ON erasures FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER erased_no_truncate BEFORE TRUNCATE ON erased FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER entry_parts_no_truncate BEFORE TRUNCATE ON entry_parts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER event_parts_no_truncate BEFORE TRUNCATE ON event_parts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER sealed_parts_no_truncate BEFORE TRUNCATE ON sealed_parts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER accounts_no_truncate BEFORE TRUNCATE ON accounts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER contexts_no_truncate BEFORE TRUNCATE ON contexts FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE erasures ENABLE ALWAYS TRIGGER erasures_under_event;
ALTER TABLE erased ENABLE ALWAYS TRIGGER erased_under_event;
ALTER TABLE erasures ENABLE ALWAYS TRIGGER erasures_append_only;
ALTER TABLE erased ENABLE ALWAYS TRIGGER erased_append_only;
ALTER TABLE entry_parts ENABLE ALWAYS TRIGGER entry_parts_erased_only;
ALTER TABLE event_parts ENABLE ALWAYS TRIGGER event_parts_erased_only;
ALTER TABLE sealed_parts ENABLE ALWAYS TRIGGER sealed_parts_erased_only;
ALTER TABLE accounts ENABLE ALWAYS TRIGGER accounts_erased_only;
ALTER TABLE contexts ENABLE ALWAYS TRIGGER contexts_erased_only;
ALTER TABLE erasures ENABLE ALWAYS TRIGGER erasures_no_truncate;
ALTER TABLE erased ENABLE ALWAYS TRIGGER erased_no_truncate;
ALTER TABLE entry_parts ENABLE ALWAYS TRIGGER entry_parts_no_truncate;
ALTER TABLE event_parts ENABLE ALWAYS TRIGGER event_parts_no_truncate;
ALTER TABLE sealed_parts ENABLE ALWAYS TRIGGER sealed_parts_no_truncate;
ALTER TABLE accounts ENABLE ALWAYS TRIGGER accounts_no_truncate;
ALTER TABLE contexts ENABLE ALWAYS TRIGGER contexts_no_truncate;
