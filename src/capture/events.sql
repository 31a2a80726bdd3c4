-- Commands on captured tables are recorded too; only a superuser may make these.
DROP EVENT TRIGGER IF EXISTS counterfoil_capture_ddl;
DROP EVENT TRIGGER IF EXISTS counterfoil_capture_dropped;
CREATE EVENT TRIGGER counterfoil_capture_ddl ON ddl_command_end EXECUTE FUNCTION counterfoil_capture.ddl();
CREATE EVENT TRIGGER counterfoil_capture_dropped ON sql_drop EXECUTE FUNCTION counterfoil_capture.dropped();
ALTER EVENT TRIGGER counterfoil_capture_ddl ENABLE ALWAYS;
ALTER EVENT TRIGGER counterfoil_capture_dropped ENABLE ALWAYS;
