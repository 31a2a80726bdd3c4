DROP TABLE record_breaks;
DROP TABLE record_snapshots;
DROP TABLE record_fields;
DROP TABLE record_changes;
DROP TABLE records;
DROP FUNCTION refuse_version_change;
DROP FUNCTION refuse_record_change;
