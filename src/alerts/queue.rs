//! Reading alerts: the queue in pages, its counts, and one alert with what is behind it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::db::{Conn, DbError, DbResult};
use crate::detect::{Evidence, Severity};
use crate::ids::{AlertRef, Seq};
use crate::ledger::store::AccountRow;

use super::breaks::{self, BreakFilter, ContinuityBreak};
use super::store::{self, AlertRow, HitRow};
use super::{About, Account, Alert, Cursor, Order, State, What};

/// Rows of a page at most, whatever was asked for.
pub const PAGE_MAX: usize = 1_000;
/// Hits, breaks and entries shown with an alert at most; [`Alert::hits`] says how many there are.
pub const BEHIND_MAX: usize = 200;
/// Which alerts; what is `None` or empty does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertFilter {
    /// Decided or not.
    pub state: Option<State>,
    /// Any of these.
    pub severities: Vec<Severity>,
    /// The rule's code.
    pub rule: Option<String>,
    /// None of these rules' codes.
    pub but: Vec<&'static str>,
    /// Of accounts bound to this source.
    pub source: Option<Seq>,
    /// Of this account.
    pub account: Option<Seq>,
    /// Opened by an entry of this business date, a day number.
    pub business_date: Option<i32>,
    /// Raised before this place.
    pub before: Option<Seq>,
}

/// A page of the queue.
#[derive(Clone, Debug)]
pub struct AlertPage {
    /// The alerts.
    pub items: Vec<Alert>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}

/// A page of alerts, at most `limit` (1 to [`PAGE_MAX`]), after `after`.
pub fn list(conn: &mut Conn, filter: &AlertFilter, order: Order, after: Option<Cursor>, limit: usize) -> DbResult<AlertPage> {
    let limit = limit.clamp(1, PAGE_MAX);
    let mut rows = store::alerts_page(conn, filter, order, after, limit as i64 + 1)?;
    let more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| more).map(|row| Cursor::after(order, row));
    Ok(AlertPage { items: domain(conn, rows)?, next })
}

/// How many alerts the filter finds.
pub fn count(conn: &mut Conn, filter: &AlertFilter) -> DbResult<u64> {
    Ok(store::alerts_count(conn, filter)?.unsigned_abs())
}

/// How many alerts there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertCounts {
    /// Not decided.
    pub open: u64,
    /// Decided.
    pub closed: u64,
    /// Open ones by severity, every severity, the gravest first.
    pub open_by_severity: Vec<(Severity, u64)>,
    /// Open ones by rule, in order of the code.
    pub open_by_rule: BTreeMap<String, u64>,
}

/// Counts by state, severity and rule.
pub fn counts(conn: &mut Conn) -> DbResult<AlertCounts> {
    let mut counts = AlertCounts::default();
    let mut by_severity: HashMap<i16, u64> = HashMap::new();
    for (state, severity, rule, number) in store::alert_counts(conn)? {
        let number = number.unsigned_abs();
        if State::from_code(state) == Some(State::Closed) {
            counts.closed += number;
            continue;
        }
        counts.open += number;
        *by_severity.entry(severity).or_default() += number;
        *counts.open_by_rule.entry(rule).or_default() += number;
    }
    let number = |severity: Severity| by_severity.get(&severity.code()).copied().unwrap_or(0);
    counts.open_by_severity = Severity::ALL.into_iter().rev().map(|severity| (severity, number(severity))).collect();
    Ok(counts)
}

/// One alert and what is behind it.
#[derive(Clone, Debug)]
pub struct AlertDetail {
    /// The alert.
    pub alert: Alert,
    /// Its hits, oldest first, at most [`BEHIND_MAX`].
    pub hits: Vec<HitLine>,
    /// Its breaks, newest first, at most [`BEHIND_MAX`].
    pub breaks: Vec<ContinuityBreak>,
    /// The places of the entries, or changes, behind it, in order, at most [`BEHIND_MAX`].
    pub entries: Vec<Seq>,
    /// The closed alert it follows.
    pub previous: Option<AlertRef>,
}

/// One hit of an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HitLine {
    /// The entry, or the change, that crossed the line.
    pub seq: Seq,
    /// The rule set that said so.
    pub rules: Seq,
    /// How grave.
    pub severity: Severity,
    /// Whether a late entry made it cross afterwards.
    pub late: bool,
    /// The entry whose arrival decided it.
    pub decided_by: Seq,
    /// Day number.
    pub business_date: i32,
    /// What was seen.
    pub evidence: Evidence,
}

/// The alert with this reference.
pub fn find(conn: &mut Conn, reference: AlertRef) -> DbResult<Option<Alert>> {
    let row = store::alert_by_reference(conn, &reference.to_string())?;
    Ok(domain(conn, row.into_iter().collect())?.pop())
}

/// The alert opened at `id`.
pub fn find_by_id(conn: &mut Conn, id: Seq) -> DbResult<Option<Alert>> {
    let row = store::alert(conn, id)?;
    Ok(domain(conn, row.into_iter().collect())?.pop())
}

/// The alert with this reference, and what is behind it.
pub fn detail(conn: &mut Conn, reference: AlertRef) -> DbResult<Option<AlertDetail>> {
    let Some(alert) = find(conn, reference)? else { return Ok(None) };
    let rows = store::hits_of_alert(conn, alert.id, BEHIND_MAX as i64)?;
    let hits = rows.iter().map(hit_line).collect::<DbResult<Vec<_>>>()?;
    let filter = BreakFilter { alert: Some(alert.id), ..BreakFilter::default() };
    let breaks = breaks::list(conn, &filter, None, BEHIND_MAX)?;
    let named = hits.iter().flat_map(|hit| hit.evidence.entries.iter().copied().chain([hit.seq]));
    let entries: BTreeSet<Seq> = named.chain(breaks.iter().map(|b| b.found.seq)).collect();
    let previous = match alert.previous {
        Some(id) => store::reference_of(conn, id)?.and_then(|text| AlertRef::parse(&text)),
        None => None,
    };
    Ok(Some(AlertDetail { alert, hits, breaks, entries: entries.into_iter().take(BEHIND_MAX).collect(), previous }))
}

/// The alerts of an account, newest first, at most `limit`.
pub fn of_account(conn: &mut Conn, account: Seq, limit: usize) -> DbResult<Vec<Alert>> {
    let filter = AlertFilter { account: Some(account), ..AlertFilter::default() };
    Ok(list(conn, &filter, Order::Newest, None, limit)?.items)
}

/// One hit from its row.
pub fn hit_line(row: &HitRow) -> DbResult<HitLine> {
    let corrupt = |what: &str| DbError::Corrupt(format!("hit of {} at {}: {what}", row.rule, row.seq));
    Ok(HitLine {
        seq: row.seq,
        rules: row.rules,
        severity: Severity::from_code(row.severity).ok_or_else(|| corrupt("unknown severity"))?,
        late: row.late != 0,
        decided_by: row.decided_by,
        business_date: row.business_date,
        evidence: serde_json::from_str(&row.evidence).map_err(|_| corrupt("unreadable evidence"))?,
    })
}

fn domain(conn: &mut Conn, rows: Vec<AlertRow>) -> DbResult<Vec<Alert>> {
    let abouts = abouts(conn, &rows)?;
    let alert = |row: AlertRow| {
        let about = abouts.get(&row.account).cloned();
        let about = about.ok_or_else(|| DbError::Corrupt(format!("alert {}: unknown account or record", row.id)))?;
        Alert::from_row(row, about)
    };
    rows.into_iter().map(alert).collect()
}

/// What these alerts are about: no two places of the log are the same, so each id is in one table only.
fn abouts(conn: &mut Conn, rows: &[AlertRow]) -> DbResult<HashMap<Seq, About>> {
    let mut found: HashMap<Seq, About> = HashMap::new();
    for (id, account) in accounts(conn, rows.iter().map(|row| row.account))? {
        let Account { number: name, currency: of, source, .. } = account;
        found.insert(id, About { what: What::Account, id, record: None, name, of, source });
    }
    let left: BTreeSet<Seq> = rows.iter().map(|row| row.account).filter(|id| !found.contains_key(id)).collect();
    let left: Vec<Seq> = left.into_iter().collect();
    if left.is_empty() {
        return Ok(found);
    }
    for (id, of, name, source) in store::records_at(conn, &left)? {
        found.insert(id, About { what: What::Record, id, record: Some(id), name, of, source });
    }
    for (id, record, actor, source) in store::actors_at(conn, &left)? {
        let name = actor.unwrap_or_default();
        found.entry(id).or_insert(About { what: What::Actor, id, record: Some(record), name, of: String::new(), source });
    }
    Ok(found)
}

pub(super) fn accounts(conn: &mut Conn, ids: impl Iterator<Item = Seq>) -> DbResult<HashMap<Seq, Account>> {
    let ids: Vec<Seq> = ids.collect::<BTreeSet<_>>().into_iter().collect();
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let rows = store::accounts_at(conn, &ids)?.into_iter();
    let account = |row: AccountRow| Account { id: row.id, number: row.number, currency: row.currency, source: row.source };
    Ok(rows.map(|row| (row.id, account(row))).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::alerts::testing::House;

    #[test]
    fn pages_follow_one_another_in_either_order() {
        let house = House::new();
        let account = house.account("DE89370400440532013000");
        use Severity::{Critical, High, Low, Medium};
        let ids = [High, Low, Critical, High, Medium].map(|severity| house.hit_alert(account, severity).id);
        let walk = |order| {
            let (mut seen, mut after) = (Vec::new(), None);
            loop {
                let page = house.bench.read(|c| list(c, &AlertFilter::default(), order, after, 2));
                assert!(page.items.len() <= 2);
                seen.extend(page.items.iter().map(|a| a.id));
                after = page.next;
                if after.is_none() {
                    return seen;
                }
            }
        };
        assert_eq!(walk(Order::Newest), [ids[4], ids[3], ids[2], ids[1], ids[0]]);
        assert_eq!(walk(Order::Gravest), [ids[2], ids[3], ids[0], ids[4], ids[1]]);
    }

    #[test]
    fn filters_narrow_and_counts_agree() {
        let house = House::new();
        let (one, two) = (house.account("A1"), house.account_of("A2", 77));
        let high = house.hit_alert(one, Severity::High);
        let low = house.hit_alert(two, Severity::Low);
        house.close(&low);
        let ids = |filter: AlertFilter| {
            assert_eq!(house.bench.read(|c| count(c, &filter)), house.list(&filter).len() as u64);
            house.list(&filter).iter().map(|a| a.id).collect::<Vec<_>>()
        };
        let all = AlertFilter::default;
        assert_eq!(ids(all()), [low.id, high.id]);
        assert_eq!(ids(AlertFilter { state: Some(State::Open), ..all() }), [high.id]);
        assert_eq!(ids(AlertFilter { severities: vec![Severity::Low, Severity::Medium], ..all() }), [low.id]);
        assert_eq!(ids(AlertFilter { source: Some(77), ..all() }), [low.id]);
        assert_eq!(ids(AlertFilter { account: Some(one), rule: Some("high-value".into()), ..all() }), [high.id]);
        assert!(ids(AlertFilter { rule: Some("continuity".into()), ..all() }).is_empty());
        assert_eq!(ids(AlertFilter { business_date: Some(high.business_date), ..all() }).len(), 2);
        let counts = house.bench.read(counts);
        assert_eq!((counts.open, counts.closed), (1, 1));
        assert_eq!(counts.open_by_severity[1], (Severity::High, 1));
        assert_eq!(counts.open_by_rule.get("high-value"), Some(&1));
        assert_eq!(house.bench.read(|c| of_account(c, one, 10)).len(), 1);
    }

    #[test]
    fn an_alert_shows_its_hits_and_entries() {
        let house = House::new();
        let account = house.account("DE89370400440532013000");
        let alert = house.hit_alert(account, Severity::High);
        let detail = house.bench.read(|c| detail(c, alert.reference)).unwrap();
        assert_eq!((detail.hits.len(), detail.entries), (1, vec![alert.last_seq]));
        assert_eq!(detail.hits[0].evidence.observed, "USD 12,000.00");
        assert_eq!(detail.alert.about.masked(), "•••• 3000");
        assert_eq!(house.bench.read(|c| find_by_id(c, alert.id)).unwrap(), detail.alert);
        assert!(house.bench.read(|c| find(c, AlertRef { year: 1999, number: 1 })).is_none());
    }
}
