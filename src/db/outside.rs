//! A PostgreSQL that is not ours: the bank's own, whose tables are captured.
//!
//! Nothing of the log is kept there, so no durability is asked of it. Texts of values depend on settings of
//! the session: they are the same as in the trigger functions that `capture` makes there.

use diesel::connection::{Connection, SimpleConnection};
use diesel::{PgConnection, QueryableByName, RunQueryDsl, sql_query, sql_types};

use super::dialect::completed;
use super::{DbError, DbResult};

/// What a session is told: names mean what they say, values are written as the triggers write them, and no
/// statement waits for ever.
const SETTINGS: &str = "SET client_min_messages TO warning; SET search_path TO pg_catalog, pg_temp; SET TIME ZONE 'UTC'; \
    SET extra_float_digits = 1; SET bytea_output = 'hex'; SET intervalstyle = 'postgres'; SET datestyle = 'ISO, YMD'; \
    SET standard_conforming_strings = on; SET statement_timeout = '10min'; SET lock_timeout = '10s'; \
    SET idle_in_transaction_session_timeout = '10min'; SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 5; \
    SET tcp_keepalives_count = 3;";

/// A connection to such a database.
pub struct Outside {
    conn: PgConnection,
}

#[derive(QueryableByName)]
struct Line {
    #[diesel(sql_type = sql_types::Nullable<sql_types::Text>)]
    line: Option<String>,
}

impl Outside {
    /// Connects; `url` as libpq takes it, `password` where it holds none.
    ///
    /// # Errors
    /// Without the password, which libpq does not repeat.
    pub fn connect(url: &str, password: Option<&str>) -> DbResult<Outside> {
        let mut url = completed(url);
        if let Some(password) = password {
            url.push_str("&password=");
            url.extend(password.bytes().map(|byte| format!("%{byte:02X}")));
        }
        let mut conn = PgConnection::establish(&url).map_err(|e| DbError::Connect(e.to_string()))?;
        conn.batch_execute(SETTINGS)?;
        Ok(Outside { conn })
    }

    /// Runs SQL without results.
    pub fn execute(&mut self, sql: &str) -> DbResult<()> {
        Ok(self.conn.batch_execute(sql)?)
    }

    /// The rows of a query of one column of text named `line`; `$1` is `given`, a text.
    pub fn lines(&mut self, sql: &str, given: &str) -> DbResult<Vec<Option<String>>> {
        let rows: Vec<Line> = sql_query(sql).bind::<sql_types::Text, _>(given).load(&mut self.conn)?;
        Ok(rows.into_iter().map(|row| row.line).collect())
    }

    /// The rows of a command that takes no parameters, as `FETCH`.
    pub fn fetched(&mut self, sql: &str) -> DbResult<Vec<Option<String>>> {
        let rows: Vec<Line> = sql_query(sql).load(&mut self.conn)?;
        Ok(rows.into_iter().map(|row| row.line).collect())
    }

    /// The same as [`Outside::lines`] read as JSON, one value a row.
    ///
    /// # Errors
    /// Also when a row cannot be read as `T`.
    pub fn rows<T: serde::de::DeserializeOwned>(&mut self, sql: &str, given: &serde_json::Value) -> DbResult<Vec<T>> {
        let read = |line: Option<String>| {
            let text = line.unwrap_or_else(|| "null".into());
            serde_json::from_str(&text).map_err(|e| DbError::Corrupt(format!("an answer of the bank's database: {e}")))
        };
        self.lines(sql, &given.to_string())?.into_iter().map(read).collect()
    }

    /// The one row of a query that has one.
    ///
    /// # Errors
    /// Also when it has none.
    pub fn row<T: serde::de::DeserializeOwned>(&mut self, sql: &str, given: &serde_json::Value) -> DbResult<T> {
        let none = || DbError::Corrupt("the bank's database gave no answer".into());
        self.rows(sql, given)?.into_iter().next().ok_or_else(none)
    }

    /// Runs `work` in a transaction that begins so (`BEGIN`, or with an isolation level); commits on `Ok`.
    pub fn transaction<T, E: From<DbError>>(
        &mut self,
        begin: &str,
        work: impl FnOnce(&mut Outside) -> Result<T, E>,
    ) -> Result<T, E> {
        self.execute(begin)?;
        match work(self) {
            Ok(value) => {
                self.execute("COMMIT")?;
                Ok(value)
            }
            Err(error) => {
                // The first error is what matters; whoever gets it lets the connection go.
                let _ = self.execute("ROLLBACK");
                Err(error)
            }
        }
    }
}
