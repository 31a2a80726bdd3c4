//! Split roles on PostgreSQL: an owner that cannot log in, a writer that cannot change what is appended, a
//! reader. The rights of each are compiled in; `migrate up` sets them, `serve` and `verify` compare them.
//!
//! A database that belongs to [`OWNER`] is split. Any other is run by one role that may do everything:
//! the triggers and the checkpoints outside still hold, the roles do not.

use std::collections::BTreeSet;
use std::fmt::Write;

use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};

use super::rights::{OWNER, READER, RIGHTS, WRITER};
use super::{Conn, DbError, DbResult};

/// Makes the three roles where they are missing.
const CREATE: &str = "DO $$ BEGIN
  IF to_regrole('counterfoil_owner') IS NULL THEN CREATE ROLE counterfoil_owner NOLOGIN; END IF;
  IF to_regrole('counterfoil_writer') IS NULL THEN CREATE ROLE counterfoil_writer LOGIN; END IF;
  IF to_regrole('counterfoil_reader') IS NULL THEN CREATE ROLE counterfoil_reader LOGIN; END IF;
END $$;
";

/// Something that is not as [`RIGHTS`] says, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// `grant_extra`, `grant_missing`, `owner_differs` or `role_unfit`.
    pub kind: &'static str,
    /// For people.
    pub detail: String,
}

fn differs(kind: &'static str, detail: String) -> Difference {
    Difference { kind, detail }
}

/// What to paste, as a superuser connected to the database `database`, to split its roles or to put their
/// rights right; it may be pasted again.
pub fn setup_sql(database: &str) -> String {
    let mut sql = format!("{CREATE}ALTER DATABASE {} OWNER TO {OWNER};\n", quoted(database));
    for (table, ..) in RIGHTS {
        let _ = writeln!(sql, "ALTER TABLE IF EXISTS public.{table} OWNER TO {OWNER};");
    }
    sql.push_str(
        "DO $$ DECLARE f regprocedure; BEGIN
  FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND proname ~ '^(refuse|guard|is_being|make)_' LOOP
    EXECUTE format('ALTER FUNCTION %s OWNER TO counterfoil_owner', f);
  END LOOP;
END $$;
DO $$ DECLARE t regclass; BEGIN
  IF to_regnamespace('segments') IS NULL THEN RETURN; END IF;
  ALTER SCHEMA segments OWNER TO counterfoil_owner;
  FOR t IN SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace('segments') AND relkind = 'r' LOOP
    EXECUTE format('ALTER TABLE %s OWNER TO counterfoil_owner', t);
  END LOOP;
END $$;
",
    );
    sql.push_str(&grants_sql(database));
    sql.push_str(LARGE_OBJECTS);
    sql
}

/// No role needs large objects, which anybody else could fill the disk with. They belong to the server: on one that
/// nobody is superuser of, this only warns.
const LARGE_OBJECTS: &str = "DO $$ DECLARE f regprocedure; BEGIN
  FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'pg_catalog'::regnamespace
    AND proname IN ('lo_creat', 'lo_create', 'lo_from_bytea', 'lo_import', 'lo_open', 'lo_put', 'lowrite') LOOP
    EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
  END LOOP;
EXCEPTION WHEN insufficient_privilege THEN
  RAISE WARNING 'only a superuser can take large objects from everybody: every role of this database can make some';
END $$;
";

/// The rights of writer and reader, set by the owner.
pub fn grants_sql(database: &str) -> String {
    let database = quoted(database);
    let mut sql = format!(
        "REVOKE ALL ON DATABASE {database} FROM PUBLIC;
GRANT CONNECT ON DATABASE {database} TO {WRITER}, {READER};
REVOKE CREATE ON SCHEMA public FROM PUBLIC, {WRITER}, {READER};
GRANT USAGE ON SCHEMA public TO {WRITER}, {READER};
"
    );
    for (table, writer, reader) in RIGHTS {
        let _ = writeln!(sql, "REVOKE ALL ON public.{table} FROM PUBLIC, {WRITER}, {READER};");
        let _ = writeln!(sql, "GRANT {writer} ON public.{table} TO {WRITER};");
        if *reader {
            let _ = writeln!(sql, "GRANT SELECT ON public.{table} TO {READER};");
        }
    }
    sql.push_str(&SEGMENTS.replace("{WRITER}", WRITER).replace("{READER}", READER));
    sql
}

/// Segments are read and written through their tables alone; the writer may have more made. Before the
/// migration that brings them there is nothing to say.
const SEGMENTS: &str = "DO $$ BEGIN
  IF to_regnamespace('segments') IS NULL THEN RETURN; END IF;
  REVOKE ALL ON SCHEMA segments FROM PUBLIC, {WRITER}, {READER};
  REVOKE ALL ON ALL TABLES IN SCHEMA segments FROM PUBLIC, {WRITER}, {READER};
  REVOKE ALL ON FUNCTION public.make_segments(BIGINT), public.guard_segment(TEXT, TEXT) FROM PUBLIC, {WRITER}, {READER};
  GRANT EXECUTE ON FUNCTION public.make_segments(BIGINT) TO {WRITER};
END $$;
";

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[derive(QueryableByName)]
struct Session {
    #[diesel(sql_type = Text)]
    database: String,
    #[diesel(sql_type = Text)]
    owner: String,
    #[diesel(sql_type = Text)]
    role: String,
    /// Whether this role may act as the database's owner.
    #[diesel(sql_type = Bool)]
    owns: bool,
}

fn session(conn: &mut PgConnection) -> DbResult<Session> {
    let sql = "SELECT datname::text AS database, pg_get_userbyid(datdba)::text AS owner, current_user::text AS role,
        pg_has_role(current_user, datdba, 'MEMBER') AS owns FROM pg_database WHERE datname = current_database()";
    Ok(diesel::sql_query(sql).get_result(conn)?)
}

/// The database that a connection is in.
pub fn database(conn: &mut Conn) -> DbResult<Option<String>> {
    match conn {
        Conn::Sqlite(_) => Ok(None),
        Conn::Postgres(c) => Ok(Some(session(c)?.database)),
    }
}

/// Becomes the owner of a split database for what follows, until [`leave`]; does nothing in any other.
///
/// # Errors
/// [`DbError::Unfit`] when this role may not, with what to do instead.
pub(super) fn become_owner(conn: &mut PgConnection) -> DbResult<bool> {
    let session = session(conn)?;
    if session.owner != OWNER {
        return Ok(false);
    }
    if !session.owns {
        return Err(DbError::Unfit(format!(
            "the schema belongs to {OWNER}, and {} may not act as it: run this as a superuser or as a role that was granted \
             {OWNER}",
            session.role
        )));
    }
    diesel::sql_query(format!("SET ROLE {OWNER}")).execute(conn)?;
    Ok(true)
}

/// Sets the rights again, as the owner, and is oneself again.
pub(super) fn grant_and_leave(conn: &mut PgConnection) -> DbResult<()> {
    use diesel::connection::SimpleConnection;
    let database = session(conn)?.database;
    conn.transaction(|conn| conn.batch_execute(&grants_sql(&database)))?;
    Ok(diesel::sql_query("RESET ROLE").execute(conn).map(drop)?)
}

/// Whether the roles of this database are split.
pub fn are_split(conn: &mut Conn) -> DbResult<bool> {
    match conn {
        Conn::Sqlite(_) => Ok(false),
        Conn::Postgres(c) => Ok(session(c)?.owner == OWNER),
    }
}

/// Refuses to write on PostgreSQL as a role that may do more or less than the writer; `must` asks for split
/// roles in any case. Answers whether they are split.
///
/// # Errors
/// [`DbError::Unfit`] with what is wrong and what to type.
pub fn require(conn: &mut Conn, must: bool) -> DbResult<bool> {
    let Conn::Postgres(c) = conn else { return Ok(false) };
    let session = session(c)?;
    let paste = format!(
        "`counterfoil migrate roles --database URL-OF-A-SUPERUSER | psql URL-OF-A-SUPERUSER`, or \
        `counterfoil migrate up` as a role that was granted {OWNER}"
    );
    if session.owner != OWNER {
        if must {
            return Err(DbError::Unfit(format!(
                "database.roles is `split`, but the database belongs to {}: split the roles once with {paste}; then connect as \
                 {WRITER}",
                session.owner
            )));
        }
        return Ok(false);
    }
    if session.owns {
        return Err(DbError::Unfit(format!(
            "{} may act as {OWNER}, which could change what was appended: connect as {WRITER} (database.url = \
             postgres://{WRITER}@…); only `migrate` needs more",
            session.role
        )));
    }
    let differences = compare(conn)?;
    if differences.is_empty() {
        return Ok(true);
    }
    let told: Vec<&str> = differences.iter().take(3).map(|d| d.detail.as_str()).collect();
    let more = differences.len().saturating_sub(3);
    let more = if more > 0 { format!(" (and {more} more)") } else { String::new() };
    Err(DbError::Unfit(format!(
        "the rights in the database are not as they should be: {}{more}; set them with {paste}",
        told.join("; ")
    )))
}

#[derive(QueryableByName)]
struct Held {
    #[diesel(sql_type = Text)]
    object: String,
    #[diesel(sql_type = Text)]
    holder: String,
    #[diesel(sql_type = Text)]
    privilege: String,
}

const HELD: &str = "
    WITH ours AS (SELECT oid, CASE relnamespace WHEN 'public'::regnamespace THEN '' ELSE 'segments.' END || relname AS relname,
          relacl, relowner FROM pg_class
        WHERE relnamespace IN ('public'::regnamespace, to_regnamespace('segments')) AND relkind IN ('r', 'p')),
      functions AS (SELECT proname || '()' AS name, proacl, proowner FROM pg_proc WHERE pronamespace = 'public'::regnamespace
        AND proname IN ('refuse_change', 'guard_proposal', 'make_segments', 'guard_segment'))
    SELECT c.relname::text AS object, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END AS holder,
        a.privilege_type || CASE WHEN a.is_grantable THEN ' with grant option' ELSE '' END AS privilege
      FROM ours c CROSS JOIN LATERAL aclexplode(c.relacl) a WHERE a.grantee <> c.relowner
    UNION ALL SELECT c.relname || '.' || t.attname, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END,
        a.privilege_type
      FROM ours c JOIN pg_attribute t ON t.attrelid = c.oid CROSS JOIN LATERAL aclexplode(t.attacl) a WHERE a.grantee <> c.relowner
    UNION ALL SELECT relname::text, pg_get_userbyid(relowner)::text, 'OWNER' FROM ours
    UNION ALL SELECT name, pg_get_userbyid(proowner)::text, 'OWNER' FROM functions
    UNION ALL SELECT name, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE pg_get_userbyid(a.grantee)::text END, a.privilege_type
      FROM functions f CROSS JOIN LATERAL aclexplode(f.proacl) a WHERE a.grantee <> f.proowner AND name ~ 'segment'
    ORDER BY 1, 2, 3";

/// What the roles are that must be no more than writer and reader.
const UNFIT: &str = "
    SELECT r.rolname::text AS object, '' AS holder, what AS privilege FROM pg_roles r CROSS JOIN LATERAL (VALUES
        (r.rolsuper, 'is a superuser'), (r.rolcreaterole, 'may create roles'), (r.rolreplication, 'may replicate'),
        (r.rolbypassrls, 'bypasses row security'), (r.rolcanlogin AND r.rolname = 'counterfoil_owner', 'may log in'),
        (r.rolname <> 'counterfoil_owner' AND has_schema_privilege(r.oid, 'public', 'CREATE'), 'may create in the schema'),
        (r.rolname <> 'counterfoil_owner' AND EXISTS (SELECT FROM pg_auth_members m WHERE m.member = r.oid), 'was granted another role')
      ) AS v(holds, what)
      WHERE holds AND r.rolname IN ('counterfoil_owner', 'counterfoil_writer', 'counterfoil_reader')";

/// Compares the rights in the database with [`RIGHTS`], both ways; nothing to compare on SQLite.
///
/// Where the roles are not split, nobody but the owner may hold more than a writer does.
pub fn compare(conn: &mut Conn) -> DbResult<Vec<Difference>> {
    let split = are_split(conn)?;
    let Conn::Postgres(c) = conn else { return Ok(Vec::new()) };
    let held: Vec<Held> = diesel::sql_query(HELD).load(c)?;
    let mut missing: BTreeSet<(String, &str, String)> = expected();
    let mut found = Vec::new();
    for Held { object, holder, privilege } in held {
        let table = object.split(['.', '(']).next().unwrap_or_default();
        let ours = matches!(table, "refuse_change" | "guard_proposal" | "make_segments" | "guard_segment" | "segments");
        if !ours && !RIGHTS.iter().any(|(name, ..)| *name == table) {
            continue;
        }
        let role = [WRITER, READER].into_iter().find(|role| *role == holder).unwrap_or_default();
        if privilege == "OWNER" {
            if split && holder != OWNER {
                found.push(differs("owner_differs", format!("{object} belongs to {holder}, not to {OWNER}")));
            }
        } else if !missing.remove(&(object.clone(), role, privilege.clone())) && (split || privilege != "SELECT") {
            found.push(differs("grant_extra", format!("{holder} holds {privilege} on {object}, which nobody should")));
        }
    }
    if split {
        let lacks = |(table, role, right): (String, &str, String)| format!("{role} lacks {right} on {table}");
        found.extend(missing.into_iter().map(|lacking| differs("grant_missing", lacks(lacking))));
        let unfit: Vec<Held> = diesel::sql_query(UNFIT).load(c)?;
        found.extend(unfit.into_iter().map(|role| differs("role_unfit", format!("{} {}", role.object, role.privilege))));
    }
    Ok(found)
}

/// The rights that there should be: table, role, privilege.
fn expected() -> BTreeSet<(String, &'static str, String)> {
    let each = RIGHTS.iter().flat_map(|&(table, writer, reader)| {
        let writer = writer.split(", ").map(move |right| (table.to_owned(), WRITER, right.to_owned()));
        writer.chain(reader.then(|| (table.to_owned(), READER, "SELECT".to_owned())))
    });
    each.chain([("make_segments()".to_owned(), WRITER, "EXECUTE".to_owned())]).collect()
}
