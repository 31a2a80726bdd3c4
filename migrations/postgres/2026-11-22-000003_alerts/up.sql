-- Hits join alerts; alerts owe mail.
CREATE TABLE hits (
  seq BIGINT NOT NULL,
  rule TEXT NOT NULL,
  rules BIGINT NOT NULL,
  account BIGINT NOT NULL,
  business_date INTEGER NOT NULL,
  severity SMALLINT NOT NULL,
  late SMALLINT NOT NULL,
  decided_by BIGINT NOT NULL,
  alert BIGINT,
  evidence TEXT NOT NULL,
  PRIMARY KEY (seq, rule)
);
CREATE INDEX hits_alert ON hits (alert);
CREATE TABLE alerts (
  id BIGINT NOT NULL PRIMARY KEY,
  reference TEXT NOT NULL UNIQUE,
  rule TEXT NOT NULL,
  rules BIGINT NOT NULL,
  account BIGINT NOT NULL,
  severity SMALLINT NOT NULL,
  state SMALLINT NOT NULL,
  business_date INTEGER NOT NULL,
  opened_at BIGINT NOT NULL,
  first_booked_at BIGINT NOT NULL,
  last_seq BIGINT NOT NULL,
  hits BIGINT NOT NULL,
  explanation TEXT NOT NULL,
  previous BIGINT,
  disposition TEXT,
  comment TEXT,
  duplicate_of TEXT,
  closed_at BIGINT,
  closed_by BIGINT,
  closed_seq BIGINT
);
CREATE INDEX alerts_queue ON alerts (state, severity, id);
CREATE INDEX alerts_account ON alerts (account);
CREATE TABLE outbox (
  id BIGINT NOT NULL PRIMARY KEY,
  kind TEXT NOT NULL,
  about BIGINT NOT NULL,
  recipient TEXT NOT NULL,
  severity SMALLINT NOT NULL,
  state SMALLINT NOT NULL,
  created_at BIGINT NOT NULL,
  not_before BIGINT NOT NULL,
  attempts INTEGER NOT NULL,
  last_error TEXT,
  message_id TEXT,
  done_at BIGINT
);
CREATE INDEX outbox_due ON outbox (state, not_before);
CREATE TABLE mail_groups (
  recipient TEXT NOT NULL,
  kind TEXT NOT NULL,
  held_until BIGINT NOT NULL,
  severity SMALLINT NOT NULL,
  PRIMARY KEY (recipient, kind)
);
