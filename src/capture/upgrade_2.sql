-- From version 1: columns that must not go out in the clear are known by their numbers, and rows have one owner.
ALTER TABLE counterfoil_capture.captured
    ADD COLUMN hidden jsonb NOT NULL DEFAULT '[]',
    ADD COLUMN names jsonb NOT NULL DEFAULT '{}',
    ADD COLUMN since bigint NOT NULL DEFAULT 0,
    ADD COLUMN drained_as jsonb;
ALTER TABLE counterfoil_capture.queue ADD COLUMN sealed text[];

-- What was approved and brought back into a table, by the transaction that did it: so it is done once.
CREATE TABLE counterfoil_capture.restored (
    proposal text PRIMARY KEY,
    change bigint NOT NULL,
    capture integer NOT NULL,
    record text NOT NULL,
    txid bigint NOT NULL DEFAULT txid_current(),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
REVOKE ALL ON counterfoil_capture.restored FROM PUBLIC;

-- Whoever drains notes for which log.
DO $body$
DECLARE
    drainer oid;
BEGIN
    FOR drainer IN SELECT DISTINCT a.grantee FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) a
        WHERE c.oid = 'counterfoil_capture.queue'::regclass AND a.privilege_type = 'DELETE' AND a.grantee <> 0
    LOOP
        EXECUTE format('GRANT UPDATE (drained_as) ON counterfoil_capture.captured TO %s', drainer::regrole);
        EXECUTE format('GRANT SELECT ON counterfoil_capture.restored TO %s', drainer::regrole);
    END LOOP;
END
$body$;
