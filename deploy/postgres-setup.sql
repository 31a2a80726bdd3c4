-- Makes Counterfoil's database and its three roles. Once, as a superuser:
--
--   psql -X -v ON_ERROR_STOP=1 -f deploy/postgres-setup.sql postgres://postgres@HOST/postgres
--   psql postgres://postgres@HOST/postgres        then: \password counterfoil_writer
--                                                       \password counterfoil_reader
--   counterfoil migrate up --database postgres://postgres@HOST/counterfoil
--   counterfoil serve      --database postgres://counterfoil_writer@HOST/counterfoil
--
-- counterfoil_owner   owns the tables and changes the schema; nobody can log in as it. Whoever migrates is a
--                     superuser, or is granted it for that.
-- counterfoil_writer  appends to the log and keeps what follows from it; cannot change or remove an entry,
--                     an event, a tile, a report or a checkpoint, nor switch a trigger off.
-- counterfoil_reader  looks; sees no credentials.
--
-- `migrate up` sets the rights on the tables, `serve` refuses others, `verify` finds them (L6).
-- For a database that is in use already: counterfoil migrate roles prints what to paste instead.
DO $$ BEGIN
  IF to_regrole('counterfoil_owner') IS NULL THEN CREATE ROLE counterfoil_owner NOLOGIN; END IF;
  IF to_regrole('counterfoil_writer') IS NULL THEN CREATE ROLE counterfoil_writer LOGIN; END IF;
  IF to_regrole('counterfoil_reader') IS NULL THEN CREATE ROLE counterfoil_reader LOGIN; END IF;
END $$;
SELECT 'CREATE DATABASE counterfoil OWNER counterfoil_owner TEMPLATE template0 ENCODING ''UTF8'''
  WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = 'counterfoil') \gexec
REVOKE ALL ON DATABASE counterfoil FROM PUBLIC;
GRANT CONNECT ON DATABASE counterfoil TO counterfoil_writer, counterfoil_reader;
-- No role of Counterfoil needs large objects, which anybody could fill the disk with.
\connect counterfoil
DO $$ DECLARE f regprocedure; BEGIN
  FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
    AND proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import', 'lo_open', 'lo_put', 'lowrite') LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE WARNING 'only a superuser can take large objects from everybody: every role of this database can make some';
END $$;
