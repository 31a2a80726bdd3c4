DROP TABLE proposals;
DROP FUNCTION guard_proposal();
