-- Who may come in: officers and the keys of senders.
CREATE TABLE users (
  id INTEGER NOT NULL PRIMARY KEY,
  email TEXT NOT NULL UNIQUE,
  role TEXT NOT NULL,
  password_hash TEXT NOT NULL,
  state SMALLINT NOT NULL,
  created_at BIGINT NOT NULL,
  failures INTEGER NOT NULL
);
CREATE TABLE sessions (
  token_hash BLOB NOT NULL PRIMARY KEY,
  user_id BIGINT NOT NULL,
  csrf TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  ip TEXT,
  user_agent TEXT
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE TABLE searches (
  id TEXT NOT NULL PRIMARY KEY,
  user_id BIGINT NOT NULL,
  kind TEXT NOT NULL,
  query TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE TABLE api_keys (
  id INTEGER NOT NULL PRIMARY KEY,
  source BIGINT NOT NULL,
  prefix TEXT NOT NULL UNIQUE,
  secret_hash BLOB NOT NULL,
  scopes TEXT NOT NULL,
  state SMALLINT NOT NULL,
  created_at BIGINT NOT NULL,
  revoked_at BIGINT
);
