DROP TABLE inbox;
DROP TABLE jobs;
DROP TABLE reports;
