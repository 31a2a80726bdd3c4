-- Signed checkpoints, numbered: a cache of what left the building, never an anchor itself.
CREATE TABLE checkpoints (
  number INTEGER NOT NULL PRIMARY KEY,
  size BIGINT NOT NULL,
  root BLOB NOT NULL,
  signed_at BIGINT NOT NULL,
  note TEXT NOT NULL
);
CREATE UNIQUE INDEX checkpoints_size ON checkpoints (size);
-- Checkpoints that came back from outside and were found to be states of this log; id is the event's seq.
CREATE TABLE anchors (
  id INTEGER NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  size BIGINT NOT NULL,
  signed_at BIGINT NOT NULL,
  returned_at BIGINT NOT NULL
);
CREATE TRIGGER checkpoints_no_update BEFORE UPDATE ON checkpoints BEGIN SELECT RAISE(ABORT, 'checkpoints is append-only'); END;
CREATE TRIGGER checkpoints_no_delete BEFORE DELETE ON checkpoints BEGIN SELECT RAISE(ABORT, 'checkpoints is append-only'); END;
CREATE TRIGGER anchors_no_update BEFORE UPDATE ON anchors BEGIN SELECT RAISE(ABORT, 'anchors is append-only'); END;
CREATE TRIGGER anchors_no_delete BEFORE DELETE ON anchors BEGIN SELECT RAISE(ABORT, 'anchors is append-only'); END;
