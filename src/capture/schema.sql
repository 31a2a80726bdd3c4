-- What `counterfoil capture add` makes in the bank's database, beside one trigger function for each table.
CREATE SCHEMA counterfoil_capture;
REVOKE ALL ON SCHEMA counterfoil_capture FROM PUBLIC;

-- Its id is part of every reference, so that a schema made anew never repeats one.
CREATE TABLE counterfoil_capture.installation (
    id text NOT NULL,
    version integer NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT now()
);

-- `hidden` and `names` know columns by their numbers, which no command changes. Rows of the queue before `since` were
-- queued under an earlier definition. `drained_as`: the log and the source that have the table's rows.
CREATE TABLE counterfoil_capture.captured (
    id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    relation oid NOT NULL UNIQUE,
    name text NOT NULL UNIQUE,
    key_columns text[] NOT NULL,
    excluded text[] NOT NULL,
    columns jsonb NOT NULL,
    installed_at timestamptz NOT NULL DEFAULT now(),
    hidden jsonb NOT NULL DEFAULT '[]',
    names jsonb NOT NULL DEFAULT '{}',
    since bigint NOT NULL DEFAULT 0,
    drained_as jsonb
);

-- The settings of the transaction are read here, so that no function can forget one. `sealed`: what the columns that
-- must be sealed were called when the row was queued.
CREATE TABLE counterfoil_capture.queue (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    capture integer NOT NULL,
    txid bigint NOT NULL DEFAULT txid_current(),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    action text NOT NULL,
    old jsonb,
    new jsonb,
    actor text DEFAULT nullif(current_setting('counterfoil.actor', true), ''),
    session text DEFAULT nullif(current_setting('counterfoil.session', true), ''),
    ip text DEFAULT nullif(current_setting('counterfoil.ip', true), ''),
    reason text DEFAULT nullif(current_setting('counterfoil.reason', true), ''),
    role text DEFAULT session_user,
    application text DEFAULT nullif(current_setting('application_name', true), ''),
    sealed text[]
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000, autovacuum_analyze_scale_factor = 0,
        autovacuum_analyze_threshold = 50000);

-- What the log did not take, with the reason.
CREATE TABLE counterfoil_capture.rejected (
    id bigint PRIMARY KEY,
    capture integer NOT NULL,
    txid bigint NOT NULL,
    at timestamptz NOT NULL,
    action text NOT NULL,
    old jsonb,
    new jsonb,
    actor text,
    session text,
    ip text,
    reason text,
    role text,
    application text,
    code text NOT NULL,
    detail text NOT NULL,
    rejected_at timestamptz NOT NULL DEFAULT now()
);
-- What was approved and brought back into a table, by the transaction that did it: so it is done once.
CREATE TABLE counterfoil_capture.restored (
    proposal text PRIMARY KEY,
    change bigint NOT NULL,
    capture integer NOT NULL,
    record text NOT NULL,
    txid bigint NOT NULL DEFAULT txid_current(),
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);
REVOKE ALL ON ALL TABLES IN SCHEMA counterfoil_capture FROM PUBLIC;
