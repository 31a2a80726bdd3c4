//! Split roles on PostgreSQL, as real roles: what the writer cannot do, what the reader cannot see, and that a
//! process which may do more or less than it should does not start.

use std::collections::BTreeSet;

use counterfoil::db::rights::{READER, RIGHTS, WRITER};
use counterfoil::db::{Db, migrate};
use serde_json::Value;

use crate::bank::{Home, Kind};
use crate::support::cluster::{Cluster, Database, cluster};
use crate::support::program::{Output, Program};

fn database(home: &Home) -> &Database<'static> {
    match home {
        Home::Postgres(database, _) => database,
        Home::Sqlite(_) => panic!("PostgreSQL only"),
    }
}

/// What PostgreSQL answers to a statement of a role.
fn refused(url: &str, sql: &str) -> String {
    let mut conn = Db::open(url, 1).unwrap().connect().unwrap();
    conn.execute(sql).expect_err(sql).to_string()
}

#[test]
fn every_table_has_its_rights() {
    let home = Home::new(Kind::Postgres);
    let live = database(&home).sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1").unwrap();
    let live: BTreeSet<&str> = live.lines().collect();
    let listed: BTreeSet<&str> = RIGHTS.iter().map(|(table, ..)| *table).collect();
    assert_eq!(live, listed, "a table needs a line in src/db/rights.rs: what may the writer do with it?");
}

#[test]
fn the_writer_can_neither_change_what_was_appended_nor_the_triggers_that_refuse_it() {
    let home = Home::new(Kind::Postgres);
    let writer = home.url();
    assert!(writer.contains(WRITER));
    for (table, rights, _) in RIGHTS {
        let denied = |sql: &str| {
            let words = refused(&writer, sql);
            assert!(words.contains("permission denied") || words.contains("must be owner"), "{sql}: {words}");
        };
        if !rights.contains("UPDATE") {
            let column = database(&home)
                .sql(&format!("SELECT attname FROM pg_attribute WHERE attrelid = '{table}'::regclass AND attnum = 1"));
            denied(&format!("UPDATE {table} SET {0} = {0}", column.unwrap()));
        }
        if !rights.contains("DELETE") {
            denied(&format!("DELETE FROM {table}"));
        }
        denied(&format!("TRUNCATE {table}"));
        denied(&format!("ALTER TABLE {table} DISABLE TRIGGER ALL"));
        denied(&format!("DROP TABLE {table}"));
    }
    for sql in ["CREATE TABLE mine (x TEXT)", "SET ROLE counterfoil_owner", "SET session_replication_role = replica"] {
        assert!(refused(&writer, sql).contains("permission denied"), "{sql}");
    }
    for table in ["entries", "events", "tiles", "reports", "checkpoints", "anchors"] {
        let (_, rights, _) = RIGHTS.iter().find(|(name, ..)| *name == table).unwrap();
        assert_eq!(*rights, "SELECT, INSERT", "{table} is append-only");
    }
}

#[test]
fn the_reader_reads_and_writes_nothing_and_sees_no_credentials() {
    let home = Home::new(Kind::Postgres);
    let reader = database(&home).url_as(READER);
    for (table, _, readable) in RIGHTS {
        let mut conn = Db::open(&reader, 1).unwrap().connect().unwrap();
        let read = conn.execute(&format!("SELECT count(*) FROM {table}"));
        assert_eq!(read.is_ok(), *readable, "{table}: {read:?}");
        for sql in [format!("DELETE FROM {table}"), format!("TRUNCATE {table}"), format!("INSERT INTO {table} DEFAULT VALUES")] {
            assert!(refused(&reader, &sql).contains("permission denied"), "{sql}");
        }
    }
    assert!(RIGHTS.iter().any(|(table, _, readable)| *table == "users" && !readable));
}

/// `serve`, which is expected not to start.
fn serve(url: &str) -> Output {
    let dir = tempfile::tempdir().unwrap();
    Program::new(dir.path()).args(["serve", "--database", url]).run()
}

fn verified(url: &str) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let run = Program::new(dir.path()).args(["verify", "--json", "--no-record", "--database", url]).run();
    let json: Value = serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {run:?}"));
    let findings = json["findings"].as_array().unwrap().iter();
    findings.map(|f| format!("{} {} {}", f["level"].as_str().unwrap(), f["kind"].as_str().unwrap(), f["detail"])).collect()
}

#[test]
fn serve_refuses_more_and_fewer_rights_than_it_needs_and_verify_names_them() {
    let home = Home::new(Kind::Postgres);
    let (writer, owner) = (home.url(), home.owner_url());
    let told = serve(&owner).failed_with(2).stderr;
    assert!(told.contains("postgres may act as counterfoil_owner") && told.contains("connect as counterfoil_writer"), "{told}");
    assert_eq!(verified(&writer), [""; 0]);
    for (sql, kind, words) in [
        ("GRANT UPDATE ON entries TO counterfoil_writer", "grant_extra", "counterfoil_writer holds UPDATE on entries"),
        ("GRANT UPDATE (body) ON events TO PUBLIC", "grant_extra", "PUBLIC holds UPDATE on events.body"),
        ("GRANT DELETE ON hits TO counterfoil_reader WITH GRANT OPTION", "grant_extra", "DELETE with grant option on hits"),
        ("REVOKE INSERT ON tiles FROM counterfoil_writer", "grant_missing", "counterfoil_writer lacks INSERT on tiles"),
        ("GRANT CREATE ON SCHEMA public TO counterfoil_writer", "role_unfit", "counterfoil_writer may create in the schema"),
    ] {
        database(&home).sql(sql).unwrap();
        let told = serve(&writer).failed_with(2).stderr;
        assert!(told.contains(words) && told.contains("counterfoil migrate"), "{sql}: {told}");
        let found = verified(&writer);
        assert!(found.len() == 1 && found[0].contains(&format!("L6 {kind}")) && found[0].contains(words), "{sql}: {found:?}");
        let dir = tempfile::tempdir().unwrap();
        Program::new(dir.path()).args(["migrate", "up", "--database", &owner]).run().succeeded();
        assert_eq!(verified(&writer), [""; 0], "migrate up sets the rights again after {sql}");
    }
    database(&home).sql("ALTER TABLE accounts OWNER TO postgres").unwrap();
    assert!(verified(&writer).concat().contains("L6 owner_differs"));
}

#[test]
fn serve_refuses_a_schema_that_is_older_or_newer_than_its_own() {
    let home = Home::new(Kind::Postgres);
    let (writer, owner) = (home.url(), home.owner_url());
    let newer = "INSERT INTO __diesel_schema_migrations (version) VALUES ('20990101000001')";
    database(&home).sql(newer).unwrap();
    let told = serve(&writer).failed_with(2).stderr;
    assert!(told.contains("20990101000001") && told.contains("newer release"), "{told}");
    database(&home).sql("DELETE FROM __diesel_schema_migrations WHERE version = '20990101000001'").unwrap();
    migrate::down(&mut Db::open(&owner, 1).unwrap().connect().unwrap()).unwrap();
    let told = serve(&writer).failed_with(2).stderr;
    assert!(told.contains("the schema lacks") && told.contains("counterfoil migrate up"), "{told}");
    let dir = tempfile::tempdir().unwrap();
    let writing = Program::new(dir.path()).args(["migrate", "up", "--database", &writer]).run().failed_with(2).stderr;
    assert!(writing.contains("belongs to counterfoil_owner") && writing.contains("superuser"), "{writing}");
}

#[test]
fn four_programs_that_migrate_at_once_do_it_once() {
    let database = cluster().empty_database();
    let dir = tempfile::tempdir().unwrap();
    let up = || Program::new(dir.path()).args(["migrate", "up", "--database", database.url()]).run().succeeded().stdout;
    let applied: Vec<String> = std::thread::scope(|scope| {
        let running: Vec<_> = (0..4).map(|_| scope.spawn(up)).collect();
        running.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let lines: Vec<&str> = applied.iter().flat_map(|text| text.lines()).collect();
    let known = migrate::status(&mut Db::open(database.url(), 1).unwrap().connect().unwrap()).unwrap();
    assert!(known.iter().all(|(_, applied)| *applied));
    assert_eq!(lines.len(), known.len(), "each migration is applied by one of them: {lines:?}");
}

/// As docs/operations.md says: the script, `migrate up`, `serve`; and a database of one role that is split later.
#[test]
fn the_setup_script_and_the_printed_one_lead_to_a_bank_that_serves() {
    let cluster = Cluster::start();
    cluster.run_script(concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/postgres-setup.sql"));
    let dir = tempfile::tempdir().unwrap();
    let command = |args: &[&str], url: &str| Program::new(dir.path()).args(args).args(["--database", url]).run();
    let (admin, writer) = (cluster.url("postgres", "counterfoil"), cluster.url(WRITER, "counterfoil"));
    command(&["migrate", "up"], &admin).succeeded();
    command(&["key", "issue", "--source", "core"], &writer).succeeded();
    drop(Program::new(dir.path()).args(["--database", &writer]).spawn_serve());
    assert_eq!(verified(&writer), [""; 0]);
    let no_large_objects = |url: &str| {
        for sql in ["SELECT lo_create(0)", "SELECT lo_creat(-1)", "SELECT lo_from_bytea(0, 'x'::bytea)"] {
            assert!(refused(url, sql).contains("permission denied"), "{sql}");
        }
    };
    no_large_objects(&cluster.url(READER, "counterfoil"));
    no_large_objects(&writer);

    let one = cluster.empty_database();
    command(&["migrate", "up"], one.url()).succeeded();
    let said = command(&["key", "issue", "--source", "core"], one.url()).succeeded();
    assert_eq!(said.stdout.lines().count(), 1);
    let split = Program::new(dir.path()).args(["serve", "--database", one.url()]).env("COUNTERFOIL_DATABASE__ROLES", "split");
    let told = split.run().failed_with(2).stderr;
    assert!(told.contains("belongs to postgres") && told.contains("migrate roles"), "{told}");
    let sql = command(&["migrate", "roles"], one.url()).succeeded().stdout;
    one.sql(&sql).unwrap();
    one.sql(&sql).unwrap_or_else(|e| panic!("it may be pasted twice: {e}"));
    assert_eq!(verified(&one.url_as(WRITER)), [""; 0]);
    no_large_objects(&one.url_as(READER));
    let serve = Program::new(dir.path()).args(["--database", &one.url_as(WRITER)]).env("COUNTERFOIL_DATABASE__ROLES", "split");
    drop(serve.spawn_serve());
}
