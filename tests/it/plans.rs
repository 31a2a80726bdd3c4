//! The plans of what pages, the API and reports ask: none reads through a table that grows.
//!
//! The statements are taken from the connection while the product's own functions run, and the
//! database is asked how it would carry each out.

use std::sync::{Arc, Mutex};

use chrono::NaiveDate;
use counterfoil::alerts::breaks::{self, BreakFilter};
use counterfoil::alerts::queue::{self, AlertFilter};
use counterfoil::alerts::{Cursor, Order, State, store as alerts, then};
use counterfoil::clock::{Clock, Moment};
use counterfoil::config::Config;
use counterfoil::db::{Conn, Db, DbResult};
use counterfoil::detect::Severity;
use counterfoil::intake::runs::{self, RunKind};
use counterfoil::ledger::history::{self, Newest, Window};
use counterfoil::ledger::{BreakState, BusinessCalendar, lookup, reversals, store as ledger};
use counterfoil::notify::store as outbox;
use counterfoil::reports;
use counterfoil::trail::{NewEvent, store as trail};
use diesel::connection::{Connection, InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_types::Text;

use crate::bank::Kind;
use crate::bank::{Bank, entry, on_both};
use crate::records::{change, record_as};

/// Tables that grow with the bank's business.
const GROWING: &[&str] = &[
    "account_states",
    "accounts",
    "alerts",
    "asides",
    "breaks",
    "contexts",
    "deliveries",
    "entries",
    "entry_parts",
    "event_parts",
    "events",
    "hits",
    "index_pages",
    "outbox",
    "record_changes",
    "records",
    "reversals",
    "tiles",
];

/// Statements that go through a growing table in the order of its key and stop at their limit.
const FROM_AN_END: &[&str] = &["lookup::store::newest", "trail::events_newest"];

/// A question by the name of its function.
type Question = (&'static str, Box<dyn Fn(&mut Conn) -> DbResult<()>>);

macro_rules! questions {
    ($($name:literal => |$c:ident| $ask:expr;)*) => {
        vec![$(($name, Box::new(move |$c: &mut Conn| { $ask?; Ok(()) }) as Box<dyn Fn(&mut Conn) -> DbResult<()>>)),*]
    };
}

fn of(state: Option<State>) -> AlertFilter {
    AlertFilter { state, ..AlertFilter::default() }
}

fn questions(account: i64, first: i64) -> Vec<Question> {
    let newest = Arc::new(Newest::default());
    let (one, two, three, four, five) = (newest.clone(), newest.clone(), newest.clone(), newest.clone(), newest);
    let (at, always) = (Moment(1_772_438_400_000_000), Moment(i64::MAX));
    let severe = || AlertFilter { severities: vec![Severity::High, Severity::Critical], ..of(Some(State::Open)) };
    let ruled = || AlertFilter { rule: Some("high-value".into()), ..of(Some(State::Open)) };
    let own = move || AlertFilter { account: Some(account), ..AlertFilter::default() };
    let dated = || AlertFilter { business_date: Some(20_514), ..AlertFilter::default() };
    let broken = |state, account, alert| BreakFilter { state, account, alert, before: None };
    let context = reports::Context::new(&Config::default(), Clock::fixed(at, 1));
    let calendar = BusinessCalendar::new(&Config::default().bank);
    let day = NaiveDate::from_ymd_opt(2026, 3, 2).unwrap();
    let users = reports::by_user::Question { from: day, through: day, kind: Some("customer".into()), whose: None };
    questions! {
        "history::balance" => |c| history::balance(c, &one, account, at, always);
        "history::balance, known earlier" => |c| history::balance(c, &two, account, at, at);
        "history::page" => |c| history::page(c, &three, account, &Window::default(), 100);
        "history::page, in a window" => |c| history::page(c, &four, account, &Window { from: Some(at), ..Window::default() }, 100);
        "lookup::page" => |c| lookup::page(c, &five, account, None, 100);
        "history::earlier" => |c| history::earlier(c, first, 100);
        "lookup::store::accounts_beginning" => |c| lookup::store::accounts_beginning(c, "ACC", 10);
        "ledger::account_by_number" => |c| ledger::account_by_number(c, "ACC-1");
        "lookup::store::contexts_of_session" => |c| lookup::store::contexts_of_session(c, "s-1", 200);
        "lookup::store::contexts_of_ip" => |c| lookup::store::contexts_of_ip(c, "192.0.2.1", 200);
        "lookup::store::entries_of_contexts" => |c| lookup::store::entries_of_contexts(c, &[1, 2], first, 100);
        "lookup::store::newest" => |c| lookup::store::newest(c, 100);
        "runs::newest_places" => |c| runs::newest_places(c, RunKind::Context, &[first], 100, &mut Default::default());
        "queue::list, open, gravest" => |c| queue::list(c, &of(Some(State::Open)), Order::Gravest, None, 50);
        "queue::list, open, gravest, second page" => |c|
            queue::list(c, &of(Some(State::Open)), Order::Gravest, Some(Cursor::Gravest { severity: 3, id: 1_000 }), 50);
        "queue::list, open, newest" => |c| queue::list(c, &of(Some(State::Open)), Order::Newest, None, 50);
        "queue::list, newest of all" => |c|
            queue::list(c, &of(Some(State::Closed)), Order::Newest, Some(Cursor::Newest { id: 1_000 }), 50);
        "queue::list, severe" => |c| queue::list(c, &severe(), Order::Gravest, None, 50);
        "queue::list, of a rule" => |c| queue::list(c, &ruled(), Order::Gravest, None, 50);
        "queue::list, of an account" => |c| queue::list(c, &own(), Order::Newest, None, 50);
        "queue::list, of a date" => |c| queue::list(c, &dated(), Order::Newest, None, 50);
        "queue::count" => |c| queue::count(c, &of(Some(State::Open)));
        "queue::of_account" => |c| queue::of_account(c, account, 50);
        "breaks::list, open" => |c| breaks::list(c, &broken(Some(BreakState::Open), None, None), None, 50);
        "breaks::list, of an account" => |c| breaks::list(c, &broken(None, Some(account), None), None, 50);
        "breaks::list, of an alert" => |c| breaks::list(c, &broken(None, None, Some(first)), None, 50);
        "then::of_account" => |c| then::of_account(c, account, i64::MAX, 50);
        "then::breaks_of_account" => |c| then::breaks_of_account(c, account, first, 50);
        "trail::events_that_begin" => |c| trail::events_that_begin(c, "alert.joined", "{\"alert\":7,", (0, first), 50);
        "breaks::open_count" => |c| breaks::open_count(c);
        "alerts::overdue_breaks" => |c| alerts::overdue_breaks(c, at, 50);
        "alerts::hits_of_alert" => |c| alerts::hits_of_alert(c, first, 50);
        "trail::events_of" => |c| trail::events_of(c, &["heads.committed"], None, 50);
        "trail::event_after" => |c| trail::event_after(c, "program.started", 0);
        "trail::events_newest" => |c| trail::events_newest(c, None, 50);
        "outbox::due" => |c| outbox::due(c, at, 50);
        "outbox::summary_between" => |c| outbox::summary_between(c, at, always);
        "reports::day_figures" => |c| reports::day_figures(c, 20_514);
        "reports::preview" => |c| reports::preview(c, &context, NaiveDate::from_ymd_opt(2026, 3, 2).unwrap());
        "reports::list" => |c| reports::list(c, None, 30);
        "reports::by_user" => |c| reports::by_user::by_user(c, &calendar, &users);
        "reversals::of" => |c| reversals::store::of(c, first, "P1");
        "reversals::between" => |c| reversals::store::between(c, 0, first, 100);
    }
}

/// The statements that run on `conn` while `ask` does.
fn statements(conn: &mut Conn, ask: &dyn Fn(&mut Conn) -> DbResult<()>) -> Vec<String> {
    let seen: Arc<Mutex<Vec<String>>> = Arc::default();
    let noted = seen.clone();
    let note = move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let text = query.to_string();
            let text = text.split(" -- binds:").next().unwrap_or_default().trim().to_owned();
            noted.lock().unwrap().push(text);
        }
    };
    match conn {
        Conn::Sqlite(c) => c.set_instrumentation(note),
        Conn::Postgres(c) => c.set_instrumentation(note),
    }
    ask(conn).unwrap();
    match conn {
        Conn::Sqlite(c) => c.set_instrumentation(|_: InstrumentationEvent<'_>| {}),
        Conn::Postgres(c) => c.set_instrumentation(|_: InstrumentationEvent<'_>| {}),
    }
    let mut seen = std::mem::take(&mut *seen.lock().unwrap());
    seen.retain(|text| text.starts_with("SELECT") || text.starts_with("WITH"));
    seen.sort();
    seen.dedup();
    seen
}

#[derive(QueryableByName)]
struct Explained {
    #[diesel(sql_type = Text, column_name = "QUERY PLAN")]
    line: String,
}

/// How the database would carry a statement out, a line a step. PostgreSQL is asked twice: how it could without reading
/// through a table, and what it chooses where tables are as large as they seem; of the latter, empty tables are left out.
fn plan(conn: &mut Conn, statement: &str) -> Vec<String> {
    match conn {
        Conn::Sqlite(c) => {
            let explain = format!("EXPLAIN QUERY PLAN {statement}");
            let steps = diesel::sql_query(explain).load::<Step>(c);
            steps.unwrap_or_else(|e| panic!("{statement}: {e}")).into_iter().map(|step| step.detail).collect()
        }
        Conn::Postgres(c) => {
            let values = (1..).take_while(|n| statement.contains(&format!("${n}"))).count();
            let nulls = vec!["NULL"; values].join(", ");
            let call = if values == 0 { String::new() } else { format!("({nulls})") };
            let mut explained = |seqscan: &str| {
                c.batch_execute("DEALLOCATE ALL; SET plan_cache_mode = force_generic_plan").unwrap();
                c.batch_execute(&format!("SET enable_seqscan = {seqscan}")).unwrap();
                c.batch_execute(&format!("PREPARE asked AS {statement}")).unwrap_or_else(|e| panic!("{statement}: {e}"));
                let lines: Vec<Explained> = diesel::sql_query(format!("EXPLAIN EXECUTE asked{call}")).load(c).unwrap();
                lines.into_iter().map(|explained| explained.line).collect::<Vec<String>>()
            };
            let (mut could, chosen) = (explained("off"), explained("on"));
            let empty = "SELECT ' Seq Scan on ' || relname || ' ' AS \"QUERY PLAN\" FROM pg_class \
                         WHERE relkind = 'r' AND pg_relation_size(oid) = 0";
            let empty: Vec<Explained> = diesel::sql_query(empty).load(c).unwrap();
            could.extend(chosen.into_iter().filter(|step| !empty.iter().any(|table| step.contains(&table.line))));
            could
        }
    }
}

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// The growing table that a step of a plan reads through, if it does.
fn read_through(step: &str) -> Option<&'static str> {
    let words: Vec<&str> = step.split_whitespace().collect();
    let after = |sign: &[&str]| words.windows(sign.len() + 1).find(|w| w[..sign.len()] == *sign).map(|w| w[sign.len()]);
    let table = after(&["SCAN"]).or_else(|| after(&["Seq", "Scan", "on"]))?;
    // PostgreSQL names the segment.
    let table = table.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_');
    GROWING.iter().find(|growing| **growing == table).copied()
}

fn fill(bank: &Bank) -> (i64, i64) {
    for n in 0..40_i64 {
        let mut row = entry(&format!("P{n}"), &format!("ACC-{}", n % 3), "2026-03-02T08:00:00Z", n % 7, 11_000 + n);
        row["session_id"] = serde_json::json!(format!("s-{}", n % 5));
        row["ip"] = serde_json::json!("192.0.2.1");
        bank.record(row);
    }
    let change = change("C1", serde_json::json!({ "after": { "limit": 1 } }));
    record_as(bank, bank.source, &[change]);
    let viewed = serde_json::json!({ "user": 1, "record": bank.db.read(ledger::sources).unwrap()[0].id });
    bank.intake.log().append(NewEvent::public("customer.viewed", viewed)).unwrap();
    let mut conn = bank.db.connect().unwrap();
    let account = ledger::account_by_number(&mut conn, "ACC-1").unwrap().unwrap().id;
    let first = lookup::store::newest(&mut conn, 1).unwrap()[0].seq;
    (account, first)
}

/// Has PostgreSQL plan as if every table that grows had millions of rows a page.
fn seem_large(bank: &Bank, kind: Kind) {
    if kind == Kind::Sqlite {
        return;
    }
    let mut conn = Db::open(&bank.home.owner_url(), 1).unwrap().connect().unwrap();
    let names: Vec<String> = GROWING.iter().map(|table| format!("relname ~ '^{table}(_[0-9]+)?$'")).collect();
    let names = names.join(" OR ");
    let filled = "relkind = 'r' AND pg_relation_size(oid) > 0";
    conn.execute(&format!("UPDATE pg_class SET relpages = 1, reltuples = 1e7 WHERE {filled} AND ({names})")).unwrap();
}

#[test]
fn no_question_reads_through_a_table_that_grows() {
    on_both(|kind| {
        let bank = Bank::with(kind, |config| config.limits.segment_entries = 1_024);
        let (account, first) = fill(&bank);
        seem_large(&bank, kind);
        let mut wrong = Vec::new();
        let mut asked = 0;
        for (name, ask) in questions(account, first) {
            let mut conn = Db::open(&bank.home.url(), 1).unwrap().connect().unwrap();
            // Asked twice: the first time some things are looked up once and for all.
            ask(&mut conn).unwrap();
            let statements = statements(&mut conn, &*ask);
            assert!(!statements.is_empty(), "{name} asked nothing");
            for statement in statements {
                asked += 1;
                let plan = plan(&mut conn, &statement);
                if plan.iter().any(|step| step.trim_start().starts_with("JIT")) {
                    wrong.push(format!("{name} would be compiled\n  {statement}\n  {}", plan.join("\n  ")));
                }
                let through = plan.iter().find_map(|step| read_through(step));
                if let Some(table) = through.filter(|_| !FROM_AN_END.contains(&name)) {
                    wrong.push(format!("{kind:?}: {name} reads through {table}\n  {statement}\n  {}", plan.join("\n  ")));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
        assert!(asked > 40, "{asked}");
    });
}

/// What the test looks for must be found where it is.
#[test]
fn a_question_that_reads_through_a_table_is_noticed() {
    on_both(|kind| {
        let bank = Bank::open(kind);
        let mut conn = bank.db.connect().unwrap();
        for (statement, table) in [
            ("SELECT seq FROM entries WHERE amount = 7", "entries"),
            ("SELECT id FROM accounts WHERE currency = 'USD'", "accounts"),
        ] {
            let plan = plan(&mut conn, statement);
            assert_eq!(plan.iter().find_map(|step| read_through(step)), Some(table), "{kind:?}: {plan:?}");
        }
    });
}
