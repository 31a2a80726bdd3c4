-- Where the process that holds the lease answers; one row.
CREATE TABLE leader (
  id SMALLINT NOT NULL PRIMARY KEY CHECK (id = 1),
  epoch BIGINT NOT NULL,
  url TEXT NOT NULL,
  since BIGINT NOT NULL
);
