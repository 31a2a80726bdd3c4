-- What entries refer to (each id is the seq of the event that defined it) and what follows from them.
CREATE TABLE sources (
  id INTEGER NOT NULL PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  created_at BIGINT NOT NULL
);
CREATE TABLE accounts (
  id INTEGER NOT NULL PRIMARY KEY,
  source BIGINT NOT NULL,
  number TEXT NOT NULL UNIQUE,
  currency TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE TABLE contexts (
  id INTEGER NOT NULL PRIMARY KEY,
  source BIGINT NOT NULL,
  session_id TEXT,
  ip TEXT,
  user_agent TEXT,
  device_id TEXT,
  actor TEXT,
  actor_kind SMALLINT,
  fingerprint BIGINT NOT NULL
);
CREATE INDEX contexts_fingerprint ON contexts (fingerprint);
CREATE INDEX contexts_session ON contexts (session_id);
CREATE INDEX contexts_ip ON contexts (ip);
CREATE TABLE deliveries (
  id INTEGER NOT NULL PRIMARY KEY,
  source BIGINT NOT NULL,
  kind TEXT NOT NULL,
  api_key BIGINT,
  origin TEXT,
  started_at BIGINT NOT NULL,
  fingerprint BIGINT NOT NULL
);
CREATE INDEX deliveries_fingerprint ON deliveries (fingerprint);
CREATE TABLE rule_sets (
  id INTEGER NOT NULL PRIMARY KEY,
  version BIGINT NOT NULL,
  body TEXT NOT NULL,
  recorded_at BIGINT NOT NULL
);
-- Account states as of the entry with seq as_of; a cache of what the entries say.
CREATE TABLE account_states (
  account INTEGER NOT NULL PRIMARY KEY,
  as_of BIGINT NOT NULL,
  body BLOB NOT NULL
);
CREATE TABLE breaks (
  seq BIGINT NOT NULL,
  kind SMALLINT NOT NULL,
  account BIGINT NOT NULL,
  currency TEXT NOT NULL,
  state SMALLINT NOT NULL,
  expected BIGINT,
  found BIGINT,
  business_date INTEGER NOT NULL,
  opened_by BIGINT NOT NULL,
  opened_at BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  closed_by BIGINT,
  alert BIGINT,
  PRIMARY KEY (seq, kind)
);
CREATE INDEX breaks_due ON breaks (state, due_at);
CREATE INDEX breaks_account ON breaks (account);
CREATE TABLE day_figures (
  business_date INTEGER NOT NULL,
  source BIGINT NOT NULL,
  currency TEXT NOT NULL,
  kind SMALLINT NOT NULL,
  status SMALLINT NOT NULL,
  hour BIGINT NOT NULL,
  entries BIGINT NOT NULL,
  credits BIGINT NOT NULL,
  debits BIGINT NOT NULL,
  PRIMARY KEY (business_date, source, currency, kind, status, hour)
);
CREATE TABLE day_ranges (
  business_date INTEGER NOT NULL,
  first_seq BIGINT NOT NULL,
  last_seq BIGINT NOT NULL,
  entries BIGINT NOT NULL,
  PRIMARY KEY (business_date, first_seq)
);
CREATE TABLE feed_closings (
  seq BIGINT NOT NULL,
  source BIGINT NOT NULL,
  business_date INTEGER NOT NULL,
  currency TEXT NOT NULL,
  entries BIGINT NOT NULL,
  debits BIGINT NOT NULL,
  credits BIGINT NOT NULL,
  received_at BIGINT NOT NULL,
  PRIMARY KEY (seq, currency)
);
CREATE INDEX feed_closings_date ON feed_closings (business_date);
-- What was refused, per source and day: rows of the control totals.
CREATE TABLE day_refusals (
  business_date INTEGER NOT NULL,
  source BIGINT NOT NULL,
  code TEXT NOT NULL,
  rows BIGINT NOT NULL,
  PRIMARY KEY (business_date, source, code)
);
CREATE TABLE import_runs (
  digest TEXT NOT NULL PRIMARY KEY,
  source TEXT NOT NULL,
  rows_done BIGINT NOT NULL,
  recorded BIGINT NOT NULL,
  duplicates BIGINT NOT NULL,
  rejected BIGINT NOT NULL,
  hits BIGINT NOT NULL,
  state TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
