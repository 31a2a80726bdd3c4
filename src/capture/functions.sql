-- How a captured table is made at the moment: its columns and its triggers with their state.
CREATE OR REPLACE FUNCTION counterfoil_capture.structure(relation oid) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $body$
    SELECT jsonb_build_object(
        'columns', (SELECT coalesce(jsonb_object_agg(a.attname, format_type(a.atttypid, a.atttypmod)
                || CASE WHEN a.attnotnull THEN ' not null' ELSE '' END), '{}')
            FROM pg_attribute a WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped),
        'triggers', (SELECT coalesce(jsonb_object_agg(t.tgname, CASE t.tgenabled WHEN 'A' THEN 'always' WHEN 'O' THEN 'origin'
                WHEN 'R' THEN 'replica' ELSE 'disabled' END), '{}')
            FROM pg_trigger t WHERE t.tgrelid = $1 AND NOT t.tgisinternal),
        'table', (SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.oid = $1))
$body$;
REVOKE ALL ON FUNCTION counterfoil_capture.structure(oid) FROM PUBLIC;

CREATE OR REPLACE FUNCTION counterfoil_capture.ddl() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    INSERT INTO counterfoil_capture.queue (capture, action, new)
    SELECT DISTINCT k.id, 'DDL', counterfoil_capture.structure(k.relation)
        || jsonb_build_object('command', d.command_tag, 'role', session_user, 'transaction', txid_current())
    FROM pg_event_trigger_ddl_commands() d
    LEFT JOIN pg_trigger t ON d.classid = 'pg_trigger'::regclass AND t.oid = d.objid
    JOIN counterfoil_capture.captured k ON k.relation = t.tgrelid OR (d.classid = 'pg_class'::regclass AND k.relation = d.objid);
END
$body$;
REVOKE ALL ON FUNCTION counterfoil_capture.ddl() FROM PUBLIC;

CREATE OR REPLACE FUNCTION counterfoil_capture.dropped() RETURNS event_trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $body$
BEGIN
    INSERT INTO counterfoil_capture.queue (capture, action, new)
    SELECT DISTINCT k.id, 'DDL', counterfoil_capture.structure(k.relation)
        || jsonb_build_object('command', tg_tag, 'role', session_user, 'transaction', txid_current())
    FROM pg_event_trigger_dropped_objects() d
    JOIN counterfoil_capture.captured k ON (d.classid = 'pg_class'::regclass AND k.relation = d.objid)
        OR (d.object_type = 'trigger' AND k.relation = (SELECT c.oid FROM pg_class c
            JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = d.address_names[1] AND c.relname = d.address_names[2]));
END
$body$;
REVOKE ALL ON FUNCTION counterfoil_capture.dropped() FROM PUBLIC;
