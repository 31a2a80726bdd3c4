//! Alerts of a date: raised, open, past due, decided.

use crate::alerts::CONTINUITY;
use crate::clock::Moment;
use crate::db::{Conn, DbError, DbResult};
use crate::detect::{RULES, Severity, due};
use crate::ids::Seq;

use super::super::{Alerts, Context, SeverityCounts, is_past_due};
use super::store;

/// The alerts section; `now` is when the report is computed, `date` a day number.
pub fn alerts(conn: &mut Conn, ctx: &Context, date: i32, seq_to: Seq, now: Moment) -> DbResult<Alerts> {
    let mut out = Alerts::default();
    let mut by: Vec<SeverityCounts> = Severity::ALL.iter().rev().map(|s| counts(*s)).collect();
    for code in RULES.iter().map(|r| r.code()).chain([CONTINUITY]) {
        out.by_rule.insert(code.to_owned(), 0);
    }
    for (rule, code, n) in store::alerts_raised(conn, date, seq_to)? {
        of(&mut by, code)?.raised += n;
        *out.by_rule.entry(rule).or_default() += n;
    }
    for (code, opened_at) in store::alerts_open(conn, date, seq_to)? {
        let counts = of(&mut by, code)?;
        counts.open += 1;
        counts.past_due += i64::from(is_past_due(&ctx.calendar, Moment(opened_at), counts.severity, now));
    }
    let (from, to) = due::window(&ctx.calendar, crate::clock::day_date(date));
    for (code, n) in store::alerts_closed(conn, from.0, to.0, seq_to)? {
        of(&mut by, code)?.closed += n;
    }
    for counts in &by {
        out.raised += counts.raised;
        out.open += counts.open;
        out.past_due += counts.past_due;
        out.closed += counts.closed;
        out.by_severity.insert(counts.severity.text().to_owned(), counts.raised);
    }
    out.severities = by;
    Ok(out)
}

fn counts(severity: Severity) -> SeverityCounts {
    SeverityCounts { severity, raised: 0, closed: 0, open: 0, past_due: 0 }
}

fn of(by: &mut [SeverityCounts], code: i16) -> DbResult<&mut SeverityCounts> {
    let found = by.iter_mut().find(|c| c.severity.code() == code);
    found.ok_or_else(|| DbError::Corrupt(format!("an alert has the unknown severity {code}; run `counterfoil verify`")))
}
