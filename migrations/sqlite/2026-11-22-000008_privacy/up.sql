-- What was erased: id is the seq of the event parts.erased.
CREATE TABLE erasures (
  id INTEGER NOT NULL PRIMARY KEY,
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
  id INTEGER NOT NULL PRIMARY KEY,
  scope TEXT NOT NULL,
  subject TEXT,
  account BIGINT,
  placed_at BIGINT NOT NULL,
  released_at BIGINT,
  released_seq BIGINT
);
-- Keys that open what is sealed without the program: the public part; id is the seq of recovery.made.
CREATE TABLE recovery_keys (
  id INTEGER NOT NULL PRIMARY KEY,
  name TEXT NOT NULL,
  public_key BLOB NOT NULL,
  challenge BLOB NOT NULL,
  answer TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  tested_at BIGINT
);
-- The key of each month, wrapped twice; id is the seq of datakey.made.
CREATE TABLE data_keys (
  id INTEGER NOT NULL PRIMARY KEY,
  month INTEGER NOT NULL,
  master TEXT NOT NULL,
  wrapped BLOB NOT NULL,
  recovery TEXT NOT NULL,
  recovery_wrapped BLOB NOT NULL,
  made_at BIGINT NOT NULL
);
-- Private parts of entries that are declared sensitive, with the salt of all of them.
CREATE TABLE sealed_parts (
  seq INTEGER NOT NULL PRIMARY KEY,
  data_key BIGINT NOT NULL,
  fields SMALLINT NOT NULL,
  nonce BLOB NOT NULL,
  sealed BLOB NOT NULL
);
-- An erasure is an event of the same transaction: the log state does not count it yet. Nothing joins it later.
CREATE TRIGGER erasures_under_event BEFORE INSERT ON erasures
WHEN NEW.id < (SELECT size FROM log_state) OR NOT EXISTS (SELECT 1 FROM events WHERE seq = NEW.id AND kind = 'parts.erased')
BEGIN SELECT RAISE(ABORT, 'an erasure needs its event in the same transaction'); END;
CREATE TRIGGER erased_under_event BEFORE INSERT ON erased
WHEN NEW.event < (SELECT size FROM log_state) OR NOT EXISTS (SELECT 1 FROM erasures WHERE id = NEW.event)
BEGIN SELECT RAISE(ABORT, 'an erasure needs its event in the same transaction'); END;
CREATE TRIGGER erasures_no_update BEFORE UPDATE ON erasures BEGIN SELECT RAISE(ABORT, 'erasures is append-only'); END;
CREATE TRIGGER erasures_no_delete BEFORE DELETE ON erasures BEGIN SELECT RAISE(ABORT, 'erasures is append-only'); END;
CREATE TRIGGER erased_no_update BEFORE UPDATE ON erased BEGIN SELECT RAISE(ABORT, 'erased is append-only'); END;
CREATE TRIGGER erased_no_delete BEFORE DELETE ON erased BEGIN SELECT RAISE(ABORT, 'erased is append-only'); END;
-- Private parts never change, and go only at a place that an erasure of this transaction names.
CREATE TRIGGER entry_parts_no_update BEFORE UPDATE ON entry_parts BEGIN SELECT RAISE(ABORT, 'entry_parts never change'); END;
CREATE TRIGGER entry_parts_erased_only BEFORE DELETE ON entry_parts
WHEN coalesce((SELECT last_seq FROM erased WHERE event = (SELECT max(id) FROM erasures WHERE id >= (SELECT size FROM log_state))
  AND first_seq <= OLD.seq ORDER BY first_seq DESC LIMIT 1), -1) < OLD.seq
BEGIN SELECT RAISE(ABORT, 'entry_parts go only under an erasure'); END;
CREATE TRIGGER event_parts_no_update BEFORE UPDATE ON event_parts BEGIN SELECT RAISE(ABORT, 'event_parts never change'); END;
CREATE TRIGGER event_parts_erased_only BEFORE DELETE ON event_parts
WHEN coalesce((SELECT last_seq FROM erased WHERE event = (SELECT max(id) FROM erasures WHERE id >= (SELECT size FROM log_state))
  AND first_seq <= OLD.seq ORDER BY first_seq DESC LIMIT 1), -1) < OLD.seq
BEGIN SELECT RAISE(ABORT, 'event_parts go only under an erasure'); END;
CREATE TRIGGER sealed_parts_no_update BEFORE UPDATE ON sealed_parts BEGIN SELECT RAISE(ABORT, 'sealed_parts never change'); END;
CREATE TRIGGER sealed_parts_erased_only BEFORE DELETE ON sealed_parts
WHEN coalesce((SELECT last_seq FROM erased WHERE event = (SELECT max(id) FROM erasures WHERE id >= (SELECT size FROM log_state))
  AND first_seq <= OLD.seq ORDER BY first_seq DESC LIMIT 1), -1) < OLD.seq
BEGIN SELECT RAISE(ABORT, 'sealed_parts go only under an erasure'); END;
-- Accounts and contexts stay; an erasure takes out what is personal of them, and nothing else is ever changed.
CREATE TRIGGER accounts_no_delete BEFORE DELETE ON accounts BEGIN SELECT RAISE(ABORT, 'accounts is append-only'); END;
CREATE TRIGGER accounts_erased_only BEFORE UPDATE ON accounts
WHEN NEW.id <> OLD.id OR NEW.source <> OLD.source OR NEW.currency <> OLD.currency OR NEW.created_at <> OLD.created_at
  OR NEW.number <> ' erased ' || OLD.id
  OR coalesce((SELECT last_seq FROM erased WHERE event = (SELECT max(id) FROM erasures WHERE id >= (SELECT size FROM log_state))
    AND first_seq <= OLD.id ORDER BY first_seq DESC LIMIT 1), -1) < OLD.id
BEGIN SELECT RAISE(ABORT, 'accounts change only under an erasure'); END;
CREATE TRIGGER contexts_no_delete BEFORE DELETE ON contexts BEGIN SELECT RAISE(ABORT, 'contexts is append-only'); END;
CREATE TRIGGER contexts_erased_only BEFORE UPDATE ON contexts
WHEN NEW.id <> OLD.id OR NEW.source <> OLD.source OR NEW.fingerprint <> 0 OR NEW.session_id IS NOT NULL OR NEW.ip IS NOT NULL
  OR NEW.user_agent IS NOT NULL OR NEW.device_id IS NOT NULL OR NEW.actor IS NOT NULL OR NEW.actor_kind IS NOT NULL
  OR coalesce((SELECT last_seq FROM erased WHERE event = (SELECT max(id) FROM erasures WHERE id >= (SELECT size FROM log_state))
    AND first_seq <= OLD.id ORDER BY first_seq DESC LIMIT 1), -1) < OLD.id
BEGIN SELECT RAISE(ABORT, 'contexts change only under an erasure'); END;
