-- Tiles are hashes and pages of runs are keys: PostgreSQL tried in vain to compress each before it stored it aside, which took a
-- fifth of what appending costs it.
ALTER TABLE tiles ALTER COLUMN data SET STORAGE EXTERNAL;
ALTER TABLE index_pages ALTER COLUMN data SET STORAGE EXTERNAL;
