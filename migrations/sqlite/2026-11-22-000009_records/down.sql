DROP TABLE record_breaks;
DROP TABLE record_snapshots;
DROP TABLE record_fields;
DROP TABLE record_changes;
DROP TABLE records;
