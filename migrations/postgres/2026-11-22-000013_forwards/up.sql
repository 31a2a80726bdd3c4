-- How far each receiver of the log is; set anew at each delivery.
CREATE TABLE forwards (
  name TEXT NOT NULL PRIMARY KEY,
  next_seq BIGINT NOT NULL,
  confirmed_at BIGINT,
  failing_since BIGINT,
  failures BIGINT NOT NULL,
  last_error TEXT
);
