-- What needs a second pair of eyes; id is the seq of the event that submitted it.
-- States: 1 submitted, 2 approved, 3 refused, 4 withdrawn, 5 expired, 6 carried out.
CREATE TABLE proposals (
  id INTEGER NOT NULL PRIMARY KEY,
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
CREATE TRIGGER proposals_begin BEFORE INSERT ON proposals
WHEN NEW.state <> 1 OR NEW.first_by IS NOT NULL OR NEW.approved_by IS NOT NULL OR NEW.ended_by IS NOT NULL
  OR EXISTS (SELECT 1 FROM proposals WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'a proposal begins as submitted'); END;
CREATE TRIGGER proposals_two_people BEFORE UPDATE ON proposals
WHEN NEW.first_by = NEW.submitted_by OR NEW.approved_by = NEW.submitted_by OR NEW.approved_by = NEW.first_by
BEGIN SELECT RAISE(ABORT, 'whoever submits cannot approve, and nobody approves twice'); END;
CREATE TRIGGER proposals_officers BEFORE UPDATE ON proposals
WHEN (NEW.first_by IS NOT OLD.first_by
    AND NOT EXISTS (SELECT 1 FROM users WHERE id = NEW.first_by AND role = 'officer' AND state = 1))
  OR (NEW.approved_by IS NOT OLD.approved_by
    AND NOT EXISTS (SELECT 1 FROM users WHERE id = NEW.approved_by AND role = 'officer' AND state = 1))
BEGIN SELECT RAISE(ABORT, 'only an officer approves'); END;
CREATE TRIGGER proposals_approved BEFORE UPDATE ON proposals
WHEN NEW.state IN (2, 6) AND (NEW.approved_by IS NULL OR (NEW.submitted_by IS NULL AND NEW.first_by IS NULL))
BEGIN SELECT RAISE(ABORT, 'a proposal lacks an approval'); END;
CREATE TRIGGER proposals_steps BEFORE UPDATE ON proposals
WHEN NEW.state <> OLD.state AND NOT (OLD.state = 1 AND NEW.state IN (2, 3, 4, 5) OR OLD.state = 2 AND NEW.state IN (3, 4, 5, 6))
BEGIN SELECT RAISE(ABORT, 'a proposal goes one way only'); END;
CREATE TRIGGER proposals_submission_stays BEFORE UPDATE ON proposals
WHEN NEW.id <> OLD.id OR NEW.kind <> OLD.kind OR NEW.about <> OLD.about OR NEW.facts <> OLD.facts
  OR NEW.submitted_by IS NOT OLD.submitted_by OR NEW.submitted_at <> OLD.submitted_at
BEGIN SELECT RAISE(ABORT, 'what was submitted stays as it was submitted'); END;
CREATE TRIGGER proposals_no_delete BEFORE DELETE ON proposals BEGIN SELECT RAISE(ABORT, 'proposals is append-only'); END;
-- Under which names the log went on: each from one place to the next one's.
CREATE TABLE generations (
  first_seq INTEGER NOT NULL PRIMARY KEY,
  origin TEXT NOT NULL
);
-- Changes of the key that signs the log; id is the event's seq.
CREATE TABLE key_rotations (
  id INTEGER NOT NULL PRIMARY KEY,
  origin TEXT NOT NULL,
  size BIGINT NOT NULL,
  old_key TEXT NOT NULL,
  new_key TEXT NOT NULL,
  note TEXT NOT NULL
);
INSERT INTO generations SELECT seq, json_extract(body, '$.origin') FROM events WHERE kind IN ('log.created', 'log.recovered');
CREATE TRIGGER generations_no_update BEFORE UPDATE ON generations BEGIN SELECT RAISE(ABORT, 'generations is append-only'); END;
CREATE TRIGGER generations_no_delete BEFORE DELETE ON generations BEGIN SELECT RAISE(ABORT, 'generations is append-only'); END;
CREATE TRIGGER key_rotations_no_update BEFORE UPDATE ON key_rotations BEGIN SELECT RAISE(ABORT, 'key_rotations is append-only'); END;
CREATE TRIGGER key_rotations_no_delete BEFORE DELETE ON key_rotations BEGIN SELECT RAISE(ABORT, 'key_rotations is append-only'); END;
