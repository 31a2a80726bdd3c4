-- Entries that stand beside the order of booked time on their account: booked before one that was recorded earlier, or
-- only attempted. reached: the latest booking time before it; reached_by: the newest entry in order with that time.
CREATE TABLE asides (
  seq BIGINT NOT NULL PRIMARY KEY,
  account BIGINT NOT NULL,
  late_at BIGINT,
  reached BIGINT,
  reached_by BIGINT
);
CREATE INDEX asides_late ON asides (account, late_at, seq) WHERE late_at IS NOT NULL;
INSERT INTO asides (seq, account, late_at, reached, reached_by)
SELECT seq, account, CASE WHEN status = 1 THEN booked_at END, reached, reached_by FROM (
  SELECT seq, account, status, booked_at, reached,
    max(CASE WHEN status = 1 AND (reached IS NULL OR booked_at >= reached) THEN seq END)
      OVER (PARTITION BY account ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached_by
  FROM (
    SELECT seq, account, status, booked_at,
      max(CASE WHEN status = 1 THEN booked_at END)
        OVER (PARTITION BY account ORDER BY seq ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS reached
    FROM entries
  ) AS placed
) AS known
WHERE status <> 1 OR booked_at < reached;
-- What is remembered of an account has one thing more now: it is read again from the entries.
DELETE FROM account_states;
UPDATE log_state SET states_from = 0;
-- What pages and reports ask for.
-- Numbers are found by how they begin: they are ordered as they are written, as SQLite does.
ALTER TABLE accounts ALTER COLUMN number TYPE TEXT COLLATE "C";
CREATE INDEX alerts_closed ON alerts (closed_at) WHERE closed_at IS NOT NULL;
CREATE INDEX alerts_date ON alerts (business_date);
CREATE INDEX alerts_decided ON alerts (closed_seq) WHERE closed_seq IS NOT NULL;
CREATE INDEX alerts_newest ON alerts (state, id);
CREATE INDEX alerts_rule ON alerts (rule, state, severity, id);
CREATE INDEX breaks_alert ON breaks (alert) WHERE alert IS NOT NULL;
CREATE INDEX breaks_closed ON breaks (closed_by) WHERE closed_by IS NOT NULL;
CREATE INDEX breaks_date ON breaks (business_date);
CREATE INDEX breaks_newest ON breaks (state, seq, kind);
CREATE INDEX events_kind ON events (kind, seq);
CREATE INDEX index_pages_key ON index_pages (run, first_key, page);
CREATE INDEX outbox_about ON outbox (about);
CREATE INDEX outbox_created ON outbox (created_at, state);
DROP INDEX contexts_session;
DROP INDEX contexts_ip;
CREATE INDEX contexts_session ON contexts (session_id, id);
CREATE INDEX contexts_ip ON contexts (ip, id);
