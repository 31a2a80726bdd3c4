-- What needs a second pair of eyes; id is the seq of the event that submitted it.
-- States: 1 submitted, 2 approved, 3 refused, 4 withdrawn, 5 expired, 6 carried out.
CREATE TABLE proposals (
  id BIGINT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  about TEXT NOT NULL,
  facts TEXT NOT NULL,
  reason TEXT,
  detail TEXT,
  submitted_by BIGINT,
  submitted_at BIGINT NOT NULL,
  whence TEXT,
  state SMALLINT NOT NULL,
  expires_at BIGINT NOT NULL,
  first_by BIGINT,
  first_at BIGINT,
  first_seq BIGINT,
  first_comment TEXT,
  approved_by BIGINT,
  approved_at BIGINT,
  approved_seq BIGINT,
  approved_comment TEXT,
  ready_at BIGINT,
  ended_by BIGINT,
  ended_at BIGINT,
  ended_seq BIGINT,
  ended_comment TEXT,
  outcome TEXT
);
-- Two proposals for the same thing at once are refused.
CREATE UNIQUE INDEX proposals_open ON proposals (kind, about) WHERE state <= 2;
CREATE INDEX proposals_state ON proposals (state);
-- Whoever submits cannot approve; who approves is an officer who may come in; what was submitted stays.
CREATE FUNCTION guard_proposal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NEW.state <> 1 OR NEW.first_by IS NOT NULL OR NEW.approved_by IS NOT NULL OR NEW.ended_by IS NOT NULL THEN
      RAISE EXCEPTION 'a proposal begins as submitted';
    END IF;
    RETURN NEW;
  END IF;
  IF NEW.first_by = NEW.submitted_by OR NEW.approved_by = NEW.submitted_by OR NEW.approved_by = NEW.first_by THEN
    RAISE EXCEPTION 'whoever submits cannot approve, and nobody approves twice';
  END IF;
  IF (NEW.first_by IS DISTINCT FROM OLD.first_by
      AND NOT EXISTS (SELECT 1 FROM users WHERE id = NEW.first_by AND role = 'officer' AND state = 1))
    OR (NEW.approved_by IS DISTINCT FROM OLD.approved_by
      AND NOT EXISTS (SELECT 1 FROM users WHERE id = NEW.approved_by AND role = 'officer' AND state = 1)) THEN
    RAISE EXCEPTION 'only an officer approves';
  END IF;
  IF NEW.state IN (2, 6) AND (NEW.approved_by IS NULL OR (NEW.submitted_by IS NULL AND NEW.first_by IS NULL)) THEN
    RAISE EXCEPTION 'a proposal lacks an approval';
  END IF;
  IF NEW.state <> OLD.state
    AND NOT (OLD.state = 1 AND NEW.state IN (2, 3, 4, 5) OR OLD.state = 2 AND NEW.state IN (3, 4, 5, 6)) THEN
    RAISE EXCEPTION 'a proposal goes one way only';
  END IF;
  IF NEW.id <> OLD.id OR NEW.kind <> OLD.kind OR NEW.about <> OLD.about OR NEW.facts <> OLD.facts
    OR NEW.submitted_by IS DISTINCT FROM OLD.submitted_by OR NEW.submitted_at <> OLD.submitted_at THEN
    RAISE EXCEPTION 'what was submitted stays as it was submitted';
  END IF;
  RETURN NEW;
END $$;
CREATE TRIGGER proposals_guard BEFORE INSERT OR UPDATE ON proposals FOR EACH ROW EXECUTE FUNCTION guard_proposal();
CREATE TRIGGER proposals_no_delete BEFORE DELETE ON proposals FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER proposals_no_truncate BEFORE TRUNCATE ON proposals FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE proposals ENABLE ALWAYS TRIGGER proposals_guard;
ALTER TABLE proposals ENABLE ALWAYS TRIGGER proposals_no_delete;
ALTER TABLE proposals ENABLE ALWAYS TRIGGER proposals_no_truncate;
-- Under which names the log went on: each from one place to the next one's.
CREATE TABLE generations (
  first_seq BIGINT NOT NULL PRIMARY KEY,
  origin TEXT NOT NULL
);
-- Changes of the key that signs the log; id is the event's seq.
CREATE TABLE key_rotations (
  id BIGINT NOT NULL PRIMARY KEY,
  origin TEXT NOT NULL,
  size BIGINT NOT NULL,
  old_key TEXT NOT NULL,
  new_key TEXT NOT NULL,
  note TEXT NOT NULL
);
INSERT INTO generations SELECT seq, body::json ->> 'origin' FROM events WHERE kind IN ('log.created', 'log.recovered');
CREATE TRIGGER generations_append_only BEFORE UPDATE OR DELETE ON generations FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER generations_no_truncate BEFORE TRUNCATE ON generations FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE generations ENABLE ALWAYS TRIGGER generations_append_only;
ALTER TABLE generations ENABLE ALWAYS TRIGGER generations_no_truncate;
CREATE TRIGGER key_rotations_append_only BEFORE UPDATE OR DELETE ON key_rotations FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER key_rotations_no_truncate BEFORE TRUNCATE ON key_rotations FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE key_rotations ENABLE ALWAYS TRIGGER key_rotations_append_only;
ALTER TABLE key_rotations ENABLE ALWAYS TRIGGER key_rotations_no_truncate;
