-- The log in segments: a fixed range of seq each, 16,777,216 places, a tile of level 2. They stand in a schema of their own;
-- whoever reads or writes goes through the tables in public. What was recorded before becomes the first segment as it is.
CREATE SCHEMA segments;
CREATE FUNCTION guard_segment(parent TEXT, part TEXT) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
DECLARE t RECORD;
BEGIN
  -- A trigger before TRUNCATE is not taken over from the whole table; the others are, but not by every release as they are.
  EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON segments.%I FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change()',
    parent || '_no_truncate', part);
  FOR t IN SELECT tgname FROM pg_trigger WHERE tgrelid = format('segments.%I', part)::regclass LOOP
    EXECUTE format('ALTER TABLE segments.%I ENABLE ALWAYS TRIGGER %I', part, t.tgname);
  END LOOP;
END $$;
-- Makes segments until there is one that holds upto, for the writer, who may not make tables. Answers the first place that has
-- none.
CREATE FUNCTION make_segments(upto BIGINT) RETURNS BIGINT LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET lock_timeout = '2s' AS $$
DECLARE
  width CONSTANT BIGINT := 16777216;
  parent TEXT; part TEXT; first BIGINT; least BIGINT;
BEGIN
  IF upto >= coalesce((SELECT size FROM public.log_state), 0) + 8 * width THEN
    RAISE EXCEPTION 'segments are made up to 8 ahead of the log, not for place %', upto;
  END IF;
  FOREACH parent IN ARRAY ARRAY['entries', 'entry_parts', 'events', 'event_parts'] LOOP
    SELECT coalesce(max(substring(pg_get_expr(c.relpartbound, c.oid) FROM 'TO [(]''([0-9]+)''[)]')::bigint), 0) INTO first
      FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid WHERE i.inhparent = format('public.%I', parent)::regclass;
    WHILE first <= upto LOOP
      part := parent || '_' || first;
      -- Made aside and attached: that holds up neither readers nor whoever writes.
      EXECUTE format('CREATE TABLE segments.%I (LIKE public.%I INCLUDING STORAGE)', part, parent);
      EXECUTE format('ALTER TABLE public.%I ATTACH PARTITION segments.%I FOR VALUES FROM (%s) TO (%s)', parent, part, first, first + width);
      PERFORM public.guard_segment(parent, part);
      first := first + width;
    END LOOP;
    least := least(least, first);
  END LOOP;
  RETURN least;
END $$;
REVOKE ALL ON FUNCTION make_segments(BIGINT), guard_segment(TEXT, TEXT) FROM PUBLIC;
DO $$
DECLARE
  width CONSTANT BIGINT := 16777216;
  parent TEXT; part TEXT; t RECORD; i RECORD; held RECORD; upto BIGINT;
BEGIN
  SELECT (coalesce(max(size), 0) / width + 1) * width INTO upto FROM log_state;
  FOREACH parent IN ARRAY ARRAY['entries', 'entry_parts', 'events', 'event_parts'] LOOP
    part := parent || '_0';
    EXECUTE format('ALTER TABLE %I RENAME TO %I', parent, part);
    EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING STORAGE) PARTITION BY RANGE (seq)', parent, part);
    FOR i IN SELECT c.relname AS name, pg_get_indexdef(x.indexrelid) AS def, x.indisprimary AS is_key
        FROM pg_index x JOIN pg_class c ON c.oid = x.indexrelid WHERE x.indrelid = format('public.%I', part)::regclass LOOP
      EXECUTE format('ALTER INDEX %I RENAME TO %I', i.name, part || substr(i.name, length(parent) + 1));
      IF i.is_key THEN
        EXECUTE format('ALTER TABLE %I ADD CONSTRAINT %I PRIMARY KEY (seq)', parent, i.name);
      ELSE
        EXECUTE replace(i.def, ' public.' || part || ' ', ' public.' || parent || ' ');
      END IF;
    END LOOP;
    FOR t IN SELECT tgname AS name, pg_get_triggerdef(oid) AS def FROM pg_trigger
        WHERE tgrelid = format('public.%I', part)::regclass AND NOT tgisinternal LOOP
      EXECUTE format('DROP TRIGGER %I ON %I', t.name, part);
      EXECUTE replace(t.def, ' public.' || part || ' ', ' public.' || parent || ' ');
      EXECUTE format('ALTER TABLE %I ENABLE ALWAYS TRIGGER %I', parent, t.name);
    END LOOP;
    -- Whoever might read or write the table still may, and nobody its segments.
    FOR held IN SELECT CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END AS whom, privilege_type AS what
        FROM pg_class c CROSS JOIN LATERAL aclexplode(c.relacl) AS a
        WHERE c.oid = format('public.%I', part)::regclass AND a.grantee <> c.relowner LOOP
      EXECUTE format('GRANT %s ON %I TO %s', held.what, parent, held.whom);
      EXECUTE format('REVOKE %s ON %I FROM %s', held.what, part, held.whom);
    END LOOP;
    EXECUTE format('ALTER TABLE %I SET SCHEMA segments', part);
    EXECUTE format('ALTER TABLE %I ATTACH PARTITION segments.%I FOR VALUES FROM (0) TO (%s)', parent, part, upto);
    PERFORM guard_segment(parent, part);
  END LOOP;
  PERFORM make_segments(upto);
END $$;
