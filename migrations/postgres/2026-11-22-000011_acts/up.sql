-- What was attempted and how it ended: acts of officers and commands, requests that were denied, sign-ins.
CREATE TABLE acts (
  id BIGINT NOT NULL PRIMARY KEY,
  user_id BIGINT,
  act TEXT NOT NULL,
  attempted_at BIGINT NOT NULL,
  outcome SMALLINT NOT NULL,
  status SMALLINT,
  ended_at BIGINT,
  ended_seq BIGINT
);
CREATE INDEX acts_attempted ON acts (attempted_at);
CREATE INDEX acts_ended ON acts (ended_seq);
-- What was recorded before this table was there: sign-ins and denials.
INSERT INTO acts (id, user_id, act, attempted_at, outcome, ended_at, ended_seq)
SELECT seq, (body::json->>'user')::bigint, CASE kind WHEN 'access.denied' THEN 'read' ELSE 'session.open' END, recorded_at,
  CASE kind WHEN 'session.opened' THEN 1 ELSE 5 END, recorded_at, seq
FROM events
WHERE kind = 'session.opened'
  OR (kind IN ('access.denied', 'session.refused') AND json_typeof(body::json->'user') = 'number');
