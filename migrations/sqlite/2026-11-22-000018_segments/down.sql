-- PostgreSQL keeps the log in segments; one file has no use for them.
SELECT 1;
