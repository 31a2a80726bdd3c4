DROP TABLE api_keys;
DROP TABLE searches;
DROP TABLE sessions;
DROP TABLE users;
