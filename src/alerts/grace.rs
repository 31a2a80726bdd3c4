//! Breaks whose grace is over become alerts of rule `continuity`: one per account.
//!
//! A break may heal by itself when a late entry arrives; only what stayed open for the configured
//! time is worth an officer's attention. Further breaks of the account join the alert while it is
//! open. Runs by the clock; each act takes at most [`BREAKS_PER_ACT`] breaks, so that entries
//! wait for it only briefly.

use std::collections::BTreeMap;

use serde_json::json;

use crate::clock::Moment;
use crate::config::Config;
use crate::db::{Db, DbError, bulk};
use crate::detect::Severity;
use crate::ids::{AlertRef, Seq};
use crate::ledger::BusinessCalendar;
use crate::ledger::continuity::Break;
use crate::ledger::store::{BreakRow, entry};
use crate::trail::{ActError, ActTx, Changed, Log, NewEvent};

use super::opening::{OpeningEntry, breaks_json};
use super::store::{self, AlertRow};
use crate::notify::MailKind;
use crate::notify::store::owed_rows;

use super::{CONTINUITY, NewAlert, References, breaks};

/// Breaks one act takes.
pub const BREAKS_PER_ACT: usize = 500;
/// Acts of one run; what is left waits for the next run, a minute later.
const ACTS_PER_RUN: usize = 200;

/// Raises what is overdue at `now`; answers how many alerts were opened.
pub fn raise_overdue(db: &Db, log: &Log, calendar: &BusinessCalendar, config: &Config, now: Moment) -> Result<u32, ActError> {
    let mut opened = 0;
    for _ in 0..ACTS_PER_RUN {
        if db.read(|c| store::overdue_breaks(c, now, 1)).map_err(ActError::from)?.is_empty() {
            break;
        }
        let (calendar, recipients) = (calendar.clone(), config.mail.alerts_to.clone());
        opened += log.act(move |tx| raise_some(tx, &calendar, &recipients, now))?;
    }
    Ok(opened)
}

fn raise_some(tx: &mut ActTx<'_>, calendar: &BusinessCalendar, recipients: &[String], now: Moment) -> Result<u32, ActError> {
    let rows = store::overdue_breaks(tx.conn, now, BREAKS_PER_ACT as i64)?;
    let mut by_account: BTreeMap<Seq, Vec<BreakRow>> = BTreeMap::new();
    for row in rows {
        by_account.entry(row.account).or_default().push(row);
    }
    let recorded = tx.now();
    let mut references = References::load(tx.conn, calendar, recorded)?;
    let mut opened = 0;
    for (account, rows) in by_account {
        let alert = match store::open_alert_of(tx.conn, CONTINUITY, account)? {
            Some(alert) => join(tx, &alert, &rows)?,
            None => {
                opened += 1;
                let reference = references.next(calendar, recorded);
                let alert = new_alert(tx, reference, account, &rows)?;
                open(tx, &alert, recipients)?
            }
        };
        for row in &rows {
            store::set_break_alert(tx.conn, row.seq, row.kind, alert)?;
        }
    }
    Ok(opened)
}

/// Lets further breaks join an open alert; that is an event too, so that the alert follows from the log.
fn join(tx: &mut ActTx<'_>, alert: &AlertRow, rows: &[BreakRow]) -> Result<Seq, ActError> {
    let found = rows.iter().map(breaks::break_of).collect::<Result<Vec<Break>, DbError>>()?;
    let named: Vec<_> = found.iter().map(|b| (b.seq, b.kind)).collect();
    let body = json!({ "alert": alert.id, "ref": alert.reference, "breaks": breaks_json(&named) });
    tx.append(NewEvent::public("alert.joined", body))?;
    let last_seq = named.iter().map(|(seq, _)| *seq).fold(alert.last_seq, Seq::max);
    store::extend_alert(tx.conn, alert.id, named.len() as i64, last_seq)?;
    Ok(alert.id)
}

fn new_alert(tx: &mut ActTx<'_>, reference: AlertRef, account: Seq, rows: &[BreakRow]) -> Result<NewAlert, ActError> {
    let mut found = rows.iter().map(breaks::break_of).collect::<Result<Vec<Break>, DbError>>()?;
    found.sort_by_key(|b| (b.seq, b.kind));
    let missing = || DbError::Corrupt(format!("account {account}: a break names an entry that is not there"));
    let (first, others) = found.split_first().ok_or_else(missing)?;
    let row = entry(tx.conn, first.seq)?.ok_or_else(missing)?;
    let at = OpeningEntry {
        seq: row.seq,
        account,
        booked_at: Moment(row.booked_at),
        business_date: row.business_date,
        rules: row.rules,
    };
    let previous = store::newest_closed_of(tx.conn, CONTINUITY, account)?;
    let shown = (row.money()?, row.balance_before.is_some());
    Ok(NewAlert::for_breaks(reference, &at, first, others, shown, previous))
}

fn open(tx: &mut ActTx<'_>, alert: &NewAlert, recipients: &[String]) -> Result<Seq, ActError> {
    let id = tx.append(alert.event(recipients))?;
    let now = tx.now();
    bulk::append(tx.conn, &[alert.row(id, now)])?;
    bulk::append(tx.conn, &owed_rows(MailKind::Alert, id, recipients, Severity::High, now))?;
    tx.changed(Changed::AlertOpened(id));
    Ok(id)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::alerts::testing::House;
    use crate::alerts::{AlertFilter, State, queue};
    use crate::clock::MINUTE;
    use crate::notify::store::PENDING;

    fn raise(house: &House) -> u32 {
        let config = Config { mail: house.mail(), ..Config::default() };
        let calendar = BusinessCalendar::new(&config.bank);
        raise_overdue(&house.bench.db, &house.bench.log, &calendar, &config, house.bench.clock.now()).unwrap()
    }

    #[test]
    fn only_what_is_open_and_overdue_raises_one_alert_per_account() {
        let house = House::new();
        let (one, two) = (house.account("DE89370400440532013000"), house.account("DE89370400440532013001"));
        let due = house.bench.clock.now();
        let first = house.broken_entry(one, due);
        let second = house.broken_entry(one, due);
        house.broken_entry(two, due.plus(MINUTE));
        assert_eq!(raise(&house), 1);
        assert_eq!(raise(&house), 0, "nothing twice");
        let alert = house.only_alert(CONTINUITY);
        assert_eq!((alert.hits, alert.about.id, alert.last_seq, alert.state), (2, one, second, State::Open));
        let expected = format!(
            "Entry {first} begins at USD 990.00 where USD 1,500.00 was expected (difference USD \u{2212}510.00). \
             Another break of the account stayed open as well."
        );
        assert_eq!(alert.explanation.sentence, expected);
        let (seq, body, _) = house.bench.events("alert.opened").remove(0);
        assert_eq!((seq, body["breaks"].as_array().unwrap().len()), (alert.id, 2));
        assert!(!body.to_string().contains("DE89"));
        house.bench.clock.advance(MINUTE);
        assert_eq!(raise(&house), 1);
    }

    #[test]
    fn an_alert_owes_mail_to_every_recipient_in_the_same_act() {
        let house = House::new();
        let account = house.account("1");
        house.broken_entry(account, house.bench.clock.now());
        raise(&house);
        let alert = house.only_alert(CONTINUITY);
        let owed = house.owed_mail();
        let ids: Vec<Seq> = owed.iter().map(|row| row.id).collect();
        assert_eq!(ids, [alert.id * 64, alert.id * 64 + 1]);
        assert!(owed.iter().all(|row| row.about == alert.id && row.state == PENDING && row.severity == Severity::High.code()));
    }

    #[test]
    fn later_breaks_join_while_it_is_open_and_follow_it_when_closed() {
        let house = House::new();
        let account = house.account("1");
        house.broken_entry(account, house.bench.clock.now());
        raise(&house);
        let first = house.only_alert(CONTINUITY);
        let later = house.broken_entry(account, house.bench.clock.now());
        assert_eq!(raise(&house), 0);
        let joined = house.only_alert(CONTINUITY);
        assert_eq!((joined.id, joined.hits, joined.last_seq), (first.id, 2, later));
        assert_eq!(house.bench.events("alert.joined")[0].1["breaks"], json!([[later, "chain"]]));
        assert_eq!(house.owed_mail().len(), 2, "joining owes no further mail");
        house.close(&joined);
        house.broken_entry(account, house.bench.clock.now());
        assert_eq!(raise(&house), 1);
        let open = AlertFilter { state: Some(State::Open), ..AlertFilter::default() };
        let next = house.list(&open).remove(0);
        assert_eq!((next.previous, next.reference.number), (Some(first.id), first.reference.number + 1));
        let detail = house.bench.read(|c| queue::detail(c, next.reference)).unwrap();
        assert_eq!((detail.previous, detail.breaks.len(), detail.entries.len()), (Some(first.reference), 1, 1));
    }

    #[test]
    fn many_breaks_take_several_acts() {
        let house = House::new();
        let account = house.account("1");
        let entry = house.broken_entry(account, house.bench.clock.now());
        house.break_rows(account, entry, BREAKS_PER_ACT);
        assert_eq!(raise(&house), 1);
        assert_eq!(house.bench.events("alert.joined").len(), 1);
        assert_eq!(house.only_alert(CONTINUITY).hits, BREAKS_PER_ACT as i64 + 1);
    }
}
