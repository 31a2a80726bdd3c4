DROP TABLE mail_groups;
DROP TABLE outbox;
DROP TABLE alerts;
DROP TABLE hits;
