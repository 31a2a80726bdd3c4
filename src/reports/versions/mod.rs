//! Frozen versions of a date's report.
//!
//! A version is computed over a snapshot, off the writer, and stored in one act with its event and
//! the mail it owes; the act is refused, and all of it computed again, when another version was
//! stored in between. Entries that come after the snapshot lie beyond `seq_to`, and so in the range
//! of the next first version: nothing falls between two reports.

mod store;

use chrono::NaiveDate;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::clock::{Moment, day_date, day_number};
use crate::db::{Conn, Db, DbError, DbResult};
use crate::detect::Severity;
use crate::ids::Seq;
use crate::notify::store::{owe, owed_rows, promising};
use crate::notify::{MailKind, RECIPIENTS_MAX};
use crate::trail::{ActError, ActTx, Log, NewEvent};

use super::{Change, Context, Report, Span, Status, changes, compute, formats};
use store::ReportRow;

pub(super) use store::{computed_between, dates_with_version, last_computed, last_places, newest_first_version};

/// A stored version, without its content.
#[derive(Clone, Debug, PartialEq)]
pub struct Head {
    /// The bank's accounting day.
    pub business_date: NaiveDate,
    /// From 1.
    pub version: i32,
    /// What it is worth today: superseded when a newer one exists.
    pub status: Status,
    /// The event that stored it.
    pub seq: Seq,
    /// The part of the log it looked at, both ends inclusive.
    pub seq_from: Seq,
    /// Nothing after it counted.
    pub seq_to: Seq,
    /// When it was computed.
    pub computed_at: Moment,
    /// The verdict.
    pub verdict: String,
    /// Sources whose control totals matched.
    pub sources_matched: i64,
    /// Sources in the report.
    pub sources: i64,
    /// SHA-256 of the stored body, lower-case hex.
    pub body_sha256: String,
    /// SHA-256 of the stored page.
    pub html_sha256: String,
}

/// A stored version.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Which one.
    pub head: Head,
    /// The report, its status as it is today.
    pub report: Report,
    /// The JSON as frozen; `head.body_sha256` is its hash.
    pub body: String,
    /// The page as frozen.
    pub html: String,
}

/// What became of making a version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Made {
    /// This version was stored.
    Stored(i32),
    /// The figures are still those of this version.
    Unchanged(i32),
}

/// Times a version is computed again because another was stored meanwhile.
const TRIES: u32 = 3;

/// What a new version builds on; if it still holds at the commit, the version may be stored.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Base {
    /// The newest version of the date.
    newest: Option<i32>,
    /// Where the range of a next first version begins.
    next_from: Seq,
}

impl Base {
    fn read(conn: &mut Conn, date: i32) -> DbResult<Base> {
        let newest = store::newest(conn, date)?.map(|row| row.version);
        Ok(Base { newest, next_from: store::last_of_first_versions(conn)?.map_or(0, |seq| seq + 1) })
    }
}

/// The report of `date` as it would be now: version 0, not stored.
pub fn preview(conn: &mut Conn, ctx: &Context, date: NaiveDate) -> DbResult<Report> {
    conn.snapshot(|conn| {
        let base = Base::read(conn, day_number(date))?;
        let mut span = span(conn, date, &base)?;
        span.version = 0;
        compute(conn, ctx, date, &span)
    })
}

/// The span of the version that would come next.
fn span(conn: &mut Conn, date: NaiveDate, base: &Base) -> DbResult<Span> {
    let state =
        crate::trail::store::state(conn)?.ok_or_else(|| DbError::Unfit("there is no log yet; start `serve` once".into()))?;
    let restates = match base.newest {
        Some(version) => load(conn, date, Some(version))?.map(|stored| (stored.head, Box::new(stored.report))),
        None => None,
    };
    Ok(Span {
        version: base.newest.unwrap_or(0) + 1,
        from: restates.as_ref().map_or(base.next_from, |(head, _)| head.seq_to + 1),
        to: state.size - 1,
        restates,
    })
}

/// Computes the next version of `date` and stores it, unless the figures are those of the newest.
///
/// `render` makes the page that is frozen with it. Blocks; call it from a blocking thread.
pub fn make(log: &Log, db: &Db, ctx: &Context, date: NaiveDate, render: &dyn Fn(&Report) -> String) -> Result<Made, ActError> {
    if ctx.reports_to.len() > RECIPIENTS_MAX {
        let text = format!("mail.reports_to names more than {RECIPIENTS_MAX} addresses; use a distribution list");
        return Err(ActError::refused(422, "too_many_recipients", text));
    }
    for _ in 0..TRIES {
        match make_once(log, db, ctx, date, render) {
            Err(ActError::Refused { code: "report_moved", .. }) => {}
            done => return done,
        }
    }
    Err(moved())
}

fn moved() -> ActError {
    ActError::refused(409, "report_moved", "another version of a report was stored at the same time; try again")
}

fn make_once(log: &Log, db: &Db, ctx: &Context, date: NaiveDate, render: &dyn Fn(&Report) -> String) -> Result<Made, ActError> {
    let number = day_number(date);
    let (base, unchanged, report) = db.read(|conn| {
        conn.snapshot(|conn| {
            let base = Base::read(conn, number)?;
            let span = span(conn, date, &base)?;
            let report = compute(conn, ctx, date, &span)?;
            // A version that only became final is one, too.
            let same =
                |(head, earlier): &(Head, Box<Report>)| head.status == report.status && changes(earlier, &report).is_empty();
            let unchanged = span.restates.as_ref().is_some_and(same);
            Ok::<_, DbError>((base, unchanged, report))
        })
    })?;
    if let (true, Some(version)) = (unchanged, base.newest) {
        let body = json!({ "date": date, "version": version, "outcome": "unchanged", "seq_to": report.seq_to });
        log.append(NewEvent::public("report.computed", body))?;
        return Ok(Made::Unchanged(version));
    }
    let made = Made::Stored(report.version);
    let row = frozen(ctx, &report, render(&report))?;
    let recipients = ctx.reports_to.clone();
    log.act(move |tx| {
        if Base::read(tx.conn, number)? != base {
            return Err(moved());
        }
        store_version(tx, row, &recipients)
    })?;
    Ok(made)
}

fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// The row of a version; its `seq` is known only when the event has its place.
fn frozen(ctx: &Context, report: &Report, html: String) -> DbResult<ReportRow> {
    let body = formats::json(report)?;
    Ok(ReportRow {
        business_date: day_number(report.business_date),
        version: report.version,
        status: report.status.text().to_owned(),
        seq: 0,
        seq_from: report.seq_from,
        seq_to: report.seq_to,
        computed_at: Moment::parse(&report.integrity.computed_at).unwrap_or_else(|_| ctx.clock.now()).0,
        body_sha256: sha256(&body),
        html_sha256: sha256(&html),
        body,
        html,
    })
}

/// The event, the row and the mail it owes.
fn store_version(tx: &mut ActTx<'_>, mut row: ReportRow, recipients: &[String]) -> Result<(), ActError> {
    let body = json!({
        "date": day_date(row.business_date),
        "version": row.version,
        "status": row.status,
        "seq_from": row.seq_from,
        "seq_to": row.seq_to,
        "body_sha256": row.body_sha256,
        "html_sha256": row.html_sha256,
    });
    let seq = tx.append(promising("report.stored", body, None, recipients))?;
    row.seq = seq;
    let owed = owed_rows(MailKind::Report, seq, recipients, Severity::Low, tx.now());
    store::insert(tx.conn, row)?;
    Ok(owe(tx.conn, &owed)?)
}

/// Whether a row has the bytes, the date and the version that the event which stored it commits to.
fn is_as_stored(conn: &mut Conn, row: &store::Brief, html: Option<&str>) -> DbResult<bool> {
    let event = crate::trail::store::event(conn, row.seq)?.filter(|(event, _)| event.kind == "report.stored");
    let said: Value = event.and_then(|(event, _)| serde_json::from_str(&event.body).ok()).unwrap_or_default();
    let named = said["date"].as_str() == Some(&day_date(row.business_date).to_string()) && said["version"] == row.version;
    let same = |field: &str, text: &str| said[field].as_str() == Some(&sha256(text));
    Ok(named && same("body_sha256", &row.body) && html.is_none_or(|html| same("html_sha256", html)))
}

fn altered(row: &store::Brief) -> DbError {
    DbError::Altered(format!(
        "the stored report for {1}, version {0}, is not as it was stored: its bytes do not have the digests that event {2} of the log \
         holds. It is not shown. Run `counterfoil verify` to see what else was changed, and restore it from a backup.",
        row.version,
        day_date(row.business_date),
        row.seq
    ))
}

/// A version of a date's report; `None`: the newest. One that was changed since is refused
/// ([`DbError::Altered`]).
pub fn load(conn: &mut Conn, date: NaiveDate, version: Option<i32>) -> DbResult<Option<Stored>> {
    let number = day_number(date);
    let Some(newest) = store::newest(conn, number)? else { return Ok(None) };
    let wanted = version.unwrap_or(newest.version);
    let Some(row) = store::version(conn, number, wanted)? else { return Ok(None) };
    if !is_as_stored(conn, &row.brief(), Some(&row.html))? {
        return Err(altered(&row.brief()));
    }
    let mut report: Report = serde_json::from_str(&row.body).map_err(|e| unreadable(row.business_date, row.version, &e))?;
    let head = head(row.brief(), newest.version)?;
    report.status = head.status;
    Ok(Some(Stored { head, report, body: row.body, html: row.html }))
}

/// The version of a date that counted where the log ended before place `end`.
///
/// # Errors
/// When the database cannot be read.
pub fn current_before(conn: &mut Conn, date: NaiveDate, end: Seq) -> DbResult<Option<i32>> {
    let rows = store::versions(conn, day_number(date))?;
    Ok(rows.iter().filter(|row| row.seq < end).map(|row| row.version).max())
}

/// What differs between two stored versions of a date, figure by figure; `None` where one is not there. Versions that
/// were changed since are refused.
///
/// # Errors
/// As [`load`].
pub fn between(conn: &mut Conn, date: NaiveDate, from: i32, to: i32) -> DbResult<Option<Vec<Change>>> {
    let one = load(conn, date, Some(from))?;
    let two = load(conn, date, Some(to))?;
    Ok(one.zip(two).map(|(one, two)| changes(&one.report, &two.report)))
}

/// Every version of a date, oldest first.
pub fn versions(conn: &mut Conn, date: NaiveDate) -> DbResult<Vec<Head>> {
    let rows = store::versions(conn, day_number(date))?;
    let newest = rows.iter().map(|row| row.version).max().unwrap_or(0);
    rows.into_iter().map(|row| checked_head(conn, row, newest)).collect()
}

/// The newest version of each date before `before`, newest date first, at most `limit`.
pub fn list(conn: &mut Conn, before: Option<NaiveDate>, limit: i64) -> DbResult<Vec<Head>> {
    let rows = store::newest_of_dates(conn, before.map(day_number), limit)?;
    rows.into_iter().map(|row| checked_head(conn, row.clone(), row.version)).collect()
}

/// In a list, one that was changed says so in place of its verdict.
fn checked_head(conn: &mut Conn, row: store::Brief, newest: i32) -> DbResult<Head> {
    if is_as_stored(conn, &row, None)? {
        return head(row, newest);
    }
    let body = json!({ "verdict": "Not as it was stored: run counterfoil verify", "sources": [] }).to_string();
    head(store::Brief { body, ..row }, newest)
}

fn head(row: store::Brief, newest: i32) -> DbResult<Head> {
    #[derive(serde::Deserialize)]
    struct Said {
        verdict: String,
        sources: Vec<SaidSource>,
    }
    #[derive(serde::Deserialize)]
    struct SaidSource {
        state: super::SourceState,
    }
    let said: Said = serde_json::from_str(&row.body).map_err(|e| unreadable(row.business_date, row.version, &e))?;
    let status = match (row.version < newest, row.status.as_str()) {
        (true, _) => Status::Superseded,
        (false, "provisional") => Status::Provisional,
        (false, _) => Status::Final,
    };
    let matched = said.sources.iter().filter(|s| s.state == super::SourceState::Matched).count();
    Ok(Head {
        business_date: day_date(row.business_date),
        version: row.version,
        status,
        seq: row.seq,
        seq_from: row.seq_from,
        seq_to: row.seq_to,
        computed_at: Moment(row.computed_at),
        verdict: said.verdict,
        sources_matched: matched as i64,
        sources: said.sources.len() as i64,
        body_sha256: row.body_sha256,
        html_sha256: row.html_sha256,
    })
}

fn unreadable(date: i32, version: i32, error: &serde_json::Error) -> DbError {
    DbError::Corrupt(format!("report {} version {version} cannot be read: {error}; run `counterfoil verify`", day_date(date)))
}

#[cfg(test)]
mod tests;
