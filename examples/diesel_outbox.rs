//! Changes recorded inside the caller's own transaction, with Diesel and an outbox table.
//!
//! What a business function changes and the row that will tell of it are written in one transaction: both are there or
//! neither is. A drainer sends the rows in their order and deletes those that are settled. If it is killed between the
//! two, it sends them again, and the server knows them by their reference.
//!
//! ```sh
//! cargo run --example diesel_outbox -- http://127.0.0.1:8480 "$KEY"
//! ```
#![allow(missing_docs)] // the tables and what Diesel makes of them speak for themselves

use counterfoil_client::{Change, Client, Document, Outcome, Record, Row, RowKind, Who, fresh_ref, rfc3339};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use serde::Serialize;

diesel::table! {
    customers (id) {
        id -> BigInt,
        name -> Text,
        credit_limit -> BigInt,
    }
}

diesel::table! {
    outbox (id) {
        id -> BigInt,
        row -> Text,
    }
}

diesel::table! {
    outbox_rejected (id) {
        id -> BigInt,
        row -> Text,
        problem -> Text,
    }
}

/// The bank's own table, and the two that the outbox needs.
pub const SCHEMA: &str = "
    CREATE TABLE customers (id INTEGER PRIMARY KEY, name TEXT NOT NULL,
        credit_limit INTEGER NOT NULL CHECK (credit_limit BETWEEN 0 AND 10000));
    CREATE TABLE outbox (id INTEGER PRIMARY KEY AUTOINCREMENT, row TEXT NOT NULL);
    CREATE TABLE outbox_rejected (id INTEGER PRIMARY KEY, row TEXT NOT NULL, problem TEXT NOT NULL);
    INSERT INTO customers VALUES (1, 'Ann', 4000), (2, 'Bob', 9000);";

/// Rows sent in one turn.
const TURN: i64 = 200;

/// What can fail here.
pub type Failed = Box<dyn std::error::Error + Send + Sync>;

/// A customer of the bank; the state of a record is what it serializes to.
#[derive(Queryable, Selectable, Serialize)]
#[diesel(table_name = customers)]
struct Customer {
    id: i64,
    name: String,
    credit_limit: i64,
}

/// Moves a part of one customer's limit to another: two changes of two records, or none.
pub fn move_limit(conn: &mut SqliteConnection, from: i64, to: i64, amount: i64, who: &Who) -> Result<(), Failed> {
    conn.immediate_transaction(|conn| {
        add_to_limit(conn, from, -amount, who)?;
        add_to_limit(conn, to, amount, who)
    })
}

fn add_to_limit(conn: &mut SqliteConnection, id: i64, amount: i64, who: &Who) -> Result<(), Failed> {
    let mut customer = customers::table.find(id).select(Customer::as_select()).first(conn)?;
    let before = Document::of(&customer)?;
    customer.credit_limit += amount;
    let changed = diesel::update(customers::table.find(id)).set(customers::credit_limit.eq(customer.credit_limit));
    changed.execute(conn)?;
    let after = Document::of(&customer)?;
    let record = Record::new("customer", customer.id);
    let now = rfc3339(std::time::SystemTime::now());
    match Change::between(fresh_ref()?, record, &before, &after) {
        Some(change) => keep(conn, &change.by(who.clone()).because("limit moved").at(now)),
        None => Ok(()),
    }
}

/// Puts a change into the outbox, in the transaction that is open.
fn keep(conn: &mut SqliteConnection, change: &Change) -> Result<(), Failed> {
    let row = Row::change(change)?;
    diesel::insert_into(outbox::table).values(outbox::row.eq(row.json())).execute(conn)?;
    Ok(())
}

/// Sends what is in the outbox, in its order, until it is empty; one drainer at a time. Answers how many rows it settled.
///
/// # Errors
/// When the server is away or refuses the key; what was not settled stays, and the next run goes on from there.
pub fn drain(conn: &mut SqliteConnection, client: &Client) -> Result<usize, Failed> {
    let mut settled = 0;
    loop {
        let waiting: Vec<(i64, String)> = outbox::table.order(outbox::id).limit(TURN).load(conn)?;
        if waiting.is_empty() {
            return Ok(settled);
        }
        let rows = waiting.iter().map(|(_, row)| Row::parse(RowKind::Change, row)).collect::<Result<Vec<Row>, _>>()?;
        let delivered = client.deliver(&rows);
        settled += delivered.settled.len();
        settle(conn, &waiting, &delivered.settled)?;
        if let Some(error) = delivered.stopped {
            return Err(error.into());
        }
    }
}

/// Deletes what is settled, by its ids and never by "up to here"; what was refused for good is kept with its reason.
fn settle(conn: &mut SqliteConnection, waiting: &[(i64, String)], outcomes: &[Outcome]) -> Result<(), Failed> {
    conn.immediate_transaction(|conn| {
        for ((id, row), outcome) in waiting.iter().zip(outcomes) {
            if let Outcome::Refused(problem) = outcome {
                let columns = (outbox_rejected::id.eq(id), outbox_rejected::row.eq(row));
                let values = (columns.0, columns.1, outbox_rejected::problem.eq(problem.to_string()));
                diesel::insert_into(outbox_rejected::table).values(values).execute(conn)?;
            }
            diesel::delete(outbox::table.find(id)).execute(conn)?;
        }
        Ok(())
    })
}

/// What still waits, and what was refused.
pub fn depth(conn: &mut SqliteConnection) -> Result<(i64, i64), Failed> {
    Ok((outbox::table.count().get_result(conn)?, outbox_rejected::table.count().get_result(conn)?))
}

/// A bank of two customers, in memory.
pub fn bank() -> Result<SqliteConnection, Failed> {
    let mut conn = SqliteConnection::establish(":memory:")?;
    conn.batch_execute(SCHEMA)?;
    Ok(conn)
}

#[allow(dead_code, reason = "the tests call the functions")]
fn main() -> Result<(), Failed> {
    let mut arguments = std::env::args().skip(1);
    let (Some(url), Some(key)) = (arguments.next(), arguments.next()) else {
        return Err("give the server's address and a key".into());
    };
    let (mut conn, client) = (bank()?, Client::new(url, key)?);
    let who = Who::actor("john_doe").session("s-17").ip("192.0.2.7");
    move_limit(&mut conn, 1, 2, 500, &who)?;
    if let Err(error) = move_limit(&mut conn, 1, 2, 2_000, &who) {
        println!("rolled back, and so nothing to tell: {error}");
    }
    println!("{} changes recorded", drain(&mut conn, &client)?);
    Ok(())
}
