//! Computing a report: the sections put together over one unchanging state of the database.

use std::collections::{BTreeMap, HashMap};

use chrono::{NaiveDate, SecondsFormat, TimeZone};

use crate::clock::{HOUR, Moment, day_number};
use crate::config::Mode;
use crate::db::{Conn, DbError, DbResult};
use crate::detect::due;
use crate::ids::Seq;
use crate::ledger::Kind;
use crate::ledger::store::SourceRow;
use crate::money::{Currency, plain};

use super::activity::{self, AccountDay, CurrencyDay, Day, Sums};
use super::{
    CASH_UNITS, Cash, Context, Head, Hour, KindSums, LIST_MAX, Report, Restates, RollForward, Source, Status, Totals, Window,
    changes, completeness, operations, signals, verdict,
};

/// The part of the log a version looks at, both ends inclusive.
#[derive(Clone, Debug)]
pub struct Span {
    /// 0 for a preview.
    pub version: i32,
    /// Where late and future entries begin; entries of the date count from the log's beginning.
    pub from: Seq,
    /// Nothing after it counts.
    pub to: Seq,
    /// The version that this one replaces, with what it said.
    pub restates: Option<(Head, Box<Report>)>,
}

/// The report of `date` as of `span.to`. Call it inside [`Conn::snapshot`].
///
/// Everything but the state of mail and the count of refused rows follows from the log alone, so
/// that computing a stored version again gives its figures again.
pub fn compute(conn: &mut Conn, ctx: &Context, date: NaiveDate, span: &Span) -> DbResult<Report> {
    let known = crate::ledger::store::sources(conn)?;
    let known: Vec<SourceRow> = known.into_iter().filter(|s| s.id <= span.to).collect();
    let modes: HashMap<Seq, Mode> = known.iter().map(|s| (s.id, ctx.mode(&s.name))).collect();
    let mut day = activity::read_day(conn, day_number(date), span.to, &modes)?;
    let (from, to) = ctx.calendar.day(date);
    let end = span.to + 1;
    let recorded = (operations::store::first_event_at(conn, from, end)?, operations::store::first_event_at(conn, to, end)?);
    day.add_changes(conn, recorded)?;
    let sources = completeness::sources(conn, ctx, day_number(date), span.to, &known, &day.activity)?;
    let mut report = sections(conn, ctx, date, span, &day, sources)?;
    report.integrity.restates = span.restates.as_ref().map(|(head, earlier)| restates(head, earlier, &report));
    report.verdict = verdict::sentence(&report);
    Ok(report)
}

/// Every section, before the verdict over all of them.
fn sections(conn: &mut Conn, ctx: &Context, date: NaiveDate, span: &Span, day: &Day, sources: Vec<Source>) -> DbResult<Report> {
    let (number, now) = (day_number(date), ctx.clock.now());
    let others = operations::other_dates(conn, number, span)?;
    let rules = signals::rules(conn, number, span.to, day)?;
    let hits = |code: &str| rules.iter().filter(|r| r.rule == code).map(|r| r.hits).sum();
    let (cash, cash_total) = cash(conn, day)?;
    Ok(Report {
        business_date: date,
        version: span.version,
        status: status(span.version, &sources, now < due::window(&ctx.calendar, date).1),
        window: window(ctx, date),
        seq_from: span.from,
        seq_to: span.to,
        verdict: String::new(),
        sources,
        totals: totals(day)?,
        kinds: kinds(day)?,
        hours: hours(day)?,
        continuity: signals::continuity(conn, number, span.to, day)?,
        high_value: signals::high_value(conn, number, span.to, day)?,
        high_value_total: hits("high-value"),
        high_frequency: signals::high_frequency(conn, number, span.to, day)?,
        high_frequency_total: hits("high-frequency"),
        cash,
        cash_total,
        late: others.late,
        late_total: others.late_total,
        future: others.future,
        future_total: others.future_total,
        alerts: signals::alerts(conn, ctx, number, span.to, now)?,
        rules,
        access: operations::access(conn, due::window(&ctx.calendar, date), span)?,
        erasures: operations::erasures(conn, due::window(&ctx.calendar, date), span)?,
        notifications: operations::notifications(conn, ctx, number, span.to)?,
        integrity: operations::integrity(conn, (ctx, date), span, &day.activity, now)?,
        signoff: Vec::new(),
    })
}

/// A version is final once the date is `over` and every source that closes its days has done so.
fn status(version: i32, sources: &[Source], running: bool) -> Status {
    match (version, running || completeness::is_waiting(sources)) {
        (0, _) => Status::Preview,
        (_, true) => Status::Provisional,
        (_, false) => Status::Final,
    }
}

fn restates(head: &Head, earlier: &Report, report: &Report) -> Restates {
    let mut found = changes(earlier, report);
    let changes_total = found.len() as i64;
    found.truncate(LIST_MAX);
    Restates { version: head.version, body_sha256: head.body_sha256.clone(), changes: found, changes_total }
}

/// A stored currency code.
pub(super) fn currency(code: &str) -> DbResult<Currency> {
    Currency::parse(code).map_err(|e| DbError::Corrupt(format!("{e}; run `counterfoil verify`")))
}

fn window(ctx: &Context, date: NaiveDate) -> Window {
    let (from, to) = due::window(&ctx.calendar, date);
    let zone = ctx.calendar.zone();
    let local = |at: Moment| zone.from_utc_datetime(&at.utc().naive_utc()).to_rfc3339_opts(SecondsFormat::AutoSi, false);
    Window {
        institution: ctx.bank.clone(),
        time_zone: zone.name().to_owned(),
        cut_off: ctx.cut_off.clone(),
        from: from.to_string(),
        to: to.to_string(),
        from_local: local(from),
        to_local: local(to),
    }
}

/// Balances of a currency's accounts, minor units.
#[derive(Clone, Copy, Debug, Default)]
struct Balances {
    accounts: i64,
    unknown: i64,
    opening: i128,
    closing: i128,
    credits: i128,
    debits: i128,
}

impl Balances {
    fn add(&mut self, account: &AccountDay) {
        self.accounts += 1;
        match account.balances() {
            None => self.unknown += 1,
            Some((opening, closing)) => {
                self.opening += i128::from(opening);
                self.closing += i128::from(closing);
                self.credits += account.credits;
                self.debits += account.debits;
            }
        }
    }

    fn roll_forward(&self, unit: Currency) -> RollForward {
        let known = self.accounts > self.unknown;
        let difference = self.closing - (self.opening + self.credits - self.debits);
        RollForward {
            credits: plain(self.credits, unit),
            debits: plain(self.debits, unit),
            difference: known.then(|| plain(difference, unit)),
            state: match (known, difference, self.unknown) {
                (false, ..) => "not available",
                (true, 0, 0) => "proven",
                // The sums shown cover every account, the proof only some: it must not claim more.
                (true, 0, _) => "partial",
                (true, ..) => "difference",
            }
            .to_owned(),
        }
    }
}

fn totals(day: &Day) -> DbResult<BTreeMap<String, Totals>> {
    let mut balances: BTreeMap<&str, Balances> = BTreeMap::new();
    for account in day.accounts.values() {
        balances.entry(&account.currency).or_default().add(account);
    }
    let one = |(code, sums): (&String, &CurrencyDay)| {
        let unit = currency(code)?;
        let of = balances.get(code.as_str()).copied().unwrap_or_default();
        let known = of.accounts > of.unknown;
        let totals = Totals {
            entries: sums.booked.entries,
            credits: plain(sums.booked.credits, unit),
            debits: plain(sums.booked.debits, unit),
            opening: known.then(|| plain(of.opening, unit)),
            closing: known.then(|| plain(of.closing, unit)),
            accounts: of.accounts,
            accounts_unknown: of.unknown,
            attempted: sums.attempted,
            roll_forward: of.roll_forward(unit),
        };
        Ok((code.clone(), totals))
    };
    day.activity.currencies.iter().map(one).collect()
}

fn kinds(day: &Day) -> DbResult<BTreeMap<String, BTreeMap<String, KindSums>>> {
    let mut out = BTreeMap::new();
    for (code, sums) in &day.activity.currencies {
        let unit = currency(code)?;
        let one = |(kind, sums): (&i16, &Sums)| {
            let name = Kind::from_code(*kind).map(Kind::text);
            let name = name.ok_or_else(|| DbError::Corrupt(format!("unknown kind of entry {kind}; run `counterfoil verify`")))?;
            let (credits, debits) = (plain(sums.credits, unit), plain(sums.debits, unit));
            Ok((name.to_owned(), KindSums { entries: sums.entries, credits, debits }))
        };
        out.insert(code.clone(), sums.kinds.iter().map(one).collect::<DbResult<_>>()?);
    }
    Ok(out)
}

fn hours(day: &Day) -> DbResult<Vec<Hour>> {
    let mut out = Vec::new();
    for (code, sums) in &day.activity.currencies {
        let unit = currency(code)?;
        for (hour, sums) in &sums.hours {
            let start = Moment(hour.saturating_mul(HOUR));
            let value = plain(sums.credits + sums.debits, unit);
            out.push((*hour, Hour { start: start.to_string(), currency: code.clone(), entries: sums.entries, value }));
        }
    }
    out.sort_by_key(|(hour, _)| *hour);
    Ok(out.into_iter().map(|(_, row)| row).collect())
}

/// Accounts with more cash on one side than the line; the first of them, and how many there are.
fn cash(conn: &mut Conn, day: &Day) -> DbResult<(Vec<Cash>, i64)> {
    let mut above = Vec::new();
    for (id, account) in &day.accounts {
        let Some(sides) = &account.cash else { continue };
        let unit = currency(&account.currency)?;
        let line = i128::from(CASH_UNITS) * i128::from(unit.minor_per_unit());
        let sides = ["in", "out"].into_iter().zip(**sides).filter(|(_, sums)| sums.total > line);
        above.extend(sides.map(|(side, sums)| (unit, *id, side, sums, line)));
    }
    above.sort_by_key(|(unit, id, side, sums, _)| (unit.code(), -sums.total, *id, *side));
    let total = above.len() as i64;
    above.truncate(LIST_MAX);
    let numbers = signals::store::account_numbers(conn, &above.iter().map(|row| row.1).collect::<Vec<_>>())?;
    let row = |(unit, id, side, sums, line): (Currency, Seq, &str, activity::CashSums, i128)| Cash {
        account: signals::masked(&numbers, id),
        account_id: id,
        currency: unit.code().to_owned(),
        side: side.to_owned(),
        entries: sums.entries,
        total: plain(sums.total, unit),
        largest: plain(sums.largest.into(), unit),
        threshold: plain(line, unit),
    };
    Ok((above.into_iter().map(row).collect(), total))
}
