DO $$
DECLARE
  parent TEXT; part TEXT; t RECORD; i RECORD; rest RECORD;
BEGIN
  FOREACH parent IN ARRAY ARRAY['entries', 'entry_parts', 'events', 'event_parts'] LOOP
    part := parent || '_0';
    EXECUTE format('ALTER TABLE %I DETACH PARTITION segments.%I', parent, part);
    FOR t IN SELECT tgname AS name FROM pg_trigger WHERE tgrelid = format('segments.%I', part)::regclass AND NOT tgisinternal LOOP
      EXECUTE format('DROP TRIGGER %I ON segments.%I', t.name, part);
    END LOOP;
    FOR rest IN SELECT c.relname AS name FROM pg_inherits h JOIN pg_class c ON c.oid = h.inhrelid
        WHERE h.inhparent = format('public.%I', parent)::regclass LOOP
      EXECUTE format('INSERT INTO segments.%I SELECT * FROM segments.%I', part, rest.name);
    END LOOP;
    EXECUTE format('ALTER TABLE %I RENAME TO %I', parent, parent || '_whole');
    EXECUTE format('ALTER TABLE segments.%I SET SCHEMA public', part);
    EXECUTE format('ALTER TABLE %I RENAME TO %I', part, parent);
    FOR t IN SELECT tgname AS name, pg_get_triggerdef(oid) AS def FROM pg_trigger
        WHERE tgrelid = format('public.%I', parent || '_whole')::regclass AND NOT tgisinternal LOOP
      EXECUTE replace(t.def, ' public.' || parent || '_whole ', ' public.' || parent || ' ');
      EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', parent, t.name);
    END LOOP;
    EXECUTE format('DROP TABLE %I', parent || '_whole');
    FOR i IN SELECT c.relname AS name FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid
        WHERE x.indrelid = format('public.%I', parent)::regclass LOOP
      EXECUTE format('ALTER INDEX %I RENAME TO %I', i.name, parent || substr(i.name, length(part) + 1));
    END LOOP;
  END LOOP;
END $$;
DROP FUNCTION make_segments(BIGINT);
DROP FUNCTION guard_segment(TEXT, TEXT);
DROP SCHEMA segments;
