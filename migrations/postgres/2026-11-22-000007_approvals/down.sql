DROP TABLE key_rotations;
DROP TABLE generations;
DROP TABLE proposals;
DROP FUNCTION guard_proposal();
