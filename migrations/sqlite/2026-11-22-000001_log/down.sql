DROP TABLE index_pages;
DROP TABLE index_runs;
DROP TABLE event_parts;
DROP TABLE entry_parts;
DROP TABLE tiles;
DROP TABLE events;
DROP TABLE entries;
DROP TABLE log_state;
