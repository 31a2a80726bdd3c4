-- Which entry a source's entry cancels, by its reference: the first that says so; none is cancelled twice.
CREATE TABLE reversals (
  seq INTEGER NOT NULL PRIMARY KEY,
  source BIGINT NOT NULL,
  reference TEXT NOT NULL
);
CREATE UNIQUE INDEX reversals_reference ON reversals (source, reference);
INSERT INTO reversals (seq, source, reference)
SELECT min(seq), source, reverses FROM entries WHERE reverses IS NOT NULL AND status = 1 GROUP BY source, reverses;
