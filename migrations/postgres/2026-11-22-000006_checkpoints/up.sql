-- Signed checkpoints, numbered: a cache of what left the building, never an anchor itself.
CREATE TABLE checkpoints (
  number BIGINT NOT NULL PRIMARY KEY,
  size BIGINT NOT NULL,
  root BYTEA NOT NULL,
  signed_at BIGINT NOT NULL,
  note TEXT NOT NULL
);
CREATE UNIQUE INDEX checkpoints_size ON checkpoints (size);
-- Checkpoints that came back from outside and were found to be states of this log; id is the event's seq.
CREATE TABLE anchors (
  id BIGINT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  size BIGINT NOT NULL,
  signed_at BIGINT NOT NULL,
  returned_at BIGINT NOT NULL
);
CREATE TRIGGER checkpoints_append_only BEFORE UPDATE OR DELETE ON checkpoints FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER checkpoints_no_truncate BEFORE TRUNCATE ON checkpoints FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE checkpoints ENABLE ALWAYS TRIGGER checkpoints_append_only;
ALTER TABLE checkpoints ENABLE ALWAYS TRIGGER checkpoints_no_truncate;
CREATE TRIGGER anchors_append_only BEFORE UPDATE OR DELETE ON anchors FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER anchors_no_truncate BEFORE TRUNCATE ON anchors FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
ALTER TABLE anchors ENABLE ALWAYS TRIGGER anchors_append_only;
ALTER TABLE anchors ENABLE ALWAYS TRIGGER anchors_no_truncate;
