//! Freezing, restating, and what is owed for it.
#![allow(clippy::unwrap_used)]

use super::super::testing::{DAY, House, Put};
use super::super::{Due, Report, Status, run_nightly};
use super::*;
use crate::clock::{DAY as ONE_DAY, parse_date};
use crate::notify::store::PENDING;

fn page(report: &Report) -> String {
    format!("<article>{} v{}</article>", report.business_date, report.version)
}

impl House {
    fn make(&self, date: &str) -> Made {
        make(&self.bench.log, &self.bench.db, &self.ctx, parse_date(date).unwrap(), &page).unwrap()
    }

    fn stored(&self, date: &str, version: Option<i32>) -> Stored {
        self.bench.read(|c| load(c, parse_date(date).unwrap(), version)).unwrap()
    }
}

fn with_entries() -> (House, Seq, Seq) {
    let house = House::new();
    let core = house.source("core");
    let account = house.account(core, "10000001", "USD");
    house.entry(Put::new(core, account, 500, Some(0)));
    house.bench.clock.advance(ONE_DAY / 2); // the date is over
    (house, core, account)
}

#[test]
fn a_version_is_frozen_with_its_hashes_its_event_and_its_mail() {
    let (house, ..) = with_entries();
    assert_eq!(house.make(DAY), Made::Stored(1));
    let stored = house.stored(DAY, None);
    assert_eq!((stored.head.status, stored.head.version, stored.head.seq_from), (Status::Final, 1, 0));
    assert_eq!(stored.head.seq_to, stored.head.seq - 1);
    assert_eq!((sha256(&stored.body), sha256(&stored.html)), (stored.head.body_sha256.clone(), stored.head.html_sha256.clone()));
    assert_eq!(stored.html, "<article>2026-11-20 v1</article>");
    assert_eq!(stored.body, formats::json(&stored.report).unwrap());
    let events = house.bench.events("report.stored");
    let (seq, body, private) = &events[0];
    assert_eq!((*seq, body["body_sha256"].as_str()), (stored.head.seq, Some(stored.head.body_sha256.as_str())));
    assert_eq!(
        (body["mail"].as_i64(), private.as_ref().unwrap()["mail_to"][0].as_str()),
        (Some(1), Some("officer@bank.example"))
    );
    assert_eq!((body["date"].as_str(), body["version"].as_i64(), body["seq_from"].as_i64()), (Some(DAY), Some(1), Some(0)));
    let mail = house.bench.read(|c| crate::reports::versions::store::mail(c, *seq));
    assert_eq!(mail, [(seq * 64, "report".to_owned(), "officer@bank.example".to_owned(), PENDING)]);
}

#[test]
fn nothing_new_is_no_new_version_but_an_event() {
    let (house, ..) = with_entries();
    house.make(DAY);
    house.bench.clock.advance(ONE_DAY);
    house.alert(3, "2026-11-19", 4, "2026-11-20T08:00:00Z"); // another date's
    assert_eq!(house.make(DAY), Made::Unchanged(1));
    let events = house.bench.events("report.computed");
    assert_eq!((events.len(), events[0].1["outcome"].as_str()), (1, Some("unchanged")));
    assert_eq!(house.bench.read(|c| versions(c, parse_date(DAY).unwrap())).len(), 1);
}

#[test]
fn a_late_entry_restates_its_date_and_is_listed_by_the_next_one() {
    let (house, core, account) = with_entries();
    house.make(DAY);
    let first = house.stored(DAY, None);
    let late = house.entry(Put::new(core, account, 200, Some(500)));
    house.entry(Put { date: "2026-11-21", ..Put::new(core, account, 1, Some(700)) });
    assert_eq!(house.make("2026-11-21"), Made::Stored(1));
    let next = house.stored("2026-11-21", None);
    assert_eq!(next.head.seq_from, first.head.seq_to + 1);
    assert_eq!((next.report.late_total, next.report.late[0].seq), (1, late));
    assert_eq!((next.report.totals["USD"].entries, next.report.future_total), (1, 0));

    assert_eq!(house.make(DAY), Made::Stored(2));
    let second = house.stored(DAY, None);
    assert_eq!((second.report.totals["USD"].entries, second.head.seq_from), (2, first.head.seq_to + 1));
    assert_eq!((second.report.late_total, second.report.late[0].seq), (1, late));
    let restates = second.report.integrity.restates.clone().unwrap();
    assert_eq!((restates.version, &restates.body_sha256), (1, &first.head.body_sha256));
    let change = restates.changes.iter().find(|c| c.figure == "totals.USD.credits").unwrap();
    assert_eq!((change.before.as_deref(), change.after.as_deref()), (Some("5.00"), Some("7.00")));
    assert!(second.report.verdict.contains("restates version 1 in"), "{}", second.report.verdict);

    let old = house.stored(DAY, Some(1));
    assert_eq!((old.head.status, old.report.status), (Status::Superseded, Status::Superseded));
    assert_eq!((old.body, old.html), (first.body, first.html)); // not by one byte
    assert!(house.bench.read(|c| load(c, parse_date(DAY).unwrap(), Some(3))).is_none());
    // A first version made after a restatement goes on where the last first version ended.
    house.make("2026-11-22");
    assert_eq!(house.stored("2026-11-22", None).head.seq_from, next.head.seq_to + 1);
}

#[test]
fn a_version_computed_again_later_gives_the_same_figures() {
    let (house, core, account) = with_entries();
    house.make(DAY);
    let first = house.stored(DAY, None);
    house.entry(Put::new(core, account, 200, Some(500)));
    let span = Span { version: 1, from: first.head.seq_from, to: first.head.seq_to, restates: None };
    let again = house.bench.read(|c| compute(c, &house.ctx, parse_date(DAY).unwrap(), &span));
    assert_eq!(changes(&first.report, &again), []);
    assert_eq!((again.totals, again.hours), (first.report.totals, first.report.hours));
    assert_eq!(again.integrity.day_figures_agree, None);
}

#[test]
fn a_source_that_used_to_close_its_days_makes_the_version_provisional() {
    let (house, core, account) = with_entries();
    house.close(core, "2026-11-19", &[("USD", 0, 0, 0)]);
    house.make(DAY);
    assert_eq!(house.stored(DAY, None).head.status, Status::Provisional);
    house.close(core, DAY, &[("USD", 1, 0, 500)]);
    assert_eq!(house.make(DAY), Made::Stored(2));
    let stored = house.stored(DAY, None);
    assert_eq!((stored.head.status, stored.head.sources_matched, stored.head.sources), (Status::Final, 1, 1));
    assert_eq!(house.stored(DAY, Some(1)).head.status, Status::Superseded);
    assert_eq!(house.make(DAY), Made::Unchanged(2));
    let _ = account;
}

#[test]
fn a_version_made_before_its_day_is_over_is_provisional_and_the_night_makes_the_final_one() {
    let (house, core, account) = with_entries();
    house.bench.clock.advance(-ONE_DAY / 2);
    assert_eq!(house.make(DAY), Made::Stored(1));
    assert_eq!(house.stored(DAY, None).head.status, Status::Provisional);
    house.entry(Put::new(core, account, 7, Some(500)));
    house.bench.clock.advance(ONE_DAY);
    let night = || run_nightly(&house.bench.log, &house.bench.db, &house.ctx, Due::Missing { restate: false }, &page).unwrap();
    assert_eq!(night(), [(parse_date(DAY).unwrap(), Made::Stored(2))]);
    let stored = house.stored(DAY, None);
    assert_eq!((stored.head.status, stored.report.totals["USD"].entries), (Status::Final, 2));
    assert_eq!(night(), []);
}

#[test]
fn a_version_that_only_became_final_is_stored() {
    let (house, ..) = with_entries();
    house.bench.clock.advance(-ONE_DAY / 2);
    house.make(DAY);
    assert_eq!(house.make(DAY), Made::Unchanged(1));
    house.bench.clock.advance(ONE_DAY / 2);
    assert_eq!(house.make(DAY), Made::Stored(2));
    assert_eq!(house.stored(DAY, None).head.status, Status::Final);
}

#[test]
fn lists_are_paged_newest_date_first_with_the_newest_version() {
    let (house, core, account) = with_entries();
    for date in ["2026-11-18", "2026-11-19", DAY] {
        house.make(date);
    }
    house.entry(Put::new(core, account, 1, Some(500)));
    house.make(DAY);
    let page = house.bench.read(|c| list(c, None, 2));
    let shown: Vec<(String, i32)> = page.iter().map(|h| (h.business_date.to_string(), h.version)).collect();
    assert_eq!(shown, [(DAY.to_owned(), 2), ("2026-11-19".to_owned(), 1)]);
    let rest = house.bench.read(|c| list(c, Some(page[1].business_date), 2));
    assert_eq!(rest.len(), 1);
}

#[test]
fn a_night_makes_what_is_missing_oldest_first_and_once() {
    let (house, core, account) = with_entries();
    assert_eq!(run_nightly(&house.bench.log, &house.bench.db, &house.ctx, Due::Missing { restate: false }, &page).unwrap(), []);
    house.bench.clock.advance(3 * ONE_DAY); // 2026-11-23T12:00
    house.make("2026-11-22"); // one made by hand leaves the older ones due
    let made = run_nightly(&house.bench.log, &house.bench.db, &house.ctx, Due::Missing { restate: false }, &page).unwrap();
    let dates: Vec<String> = made.iter().map(|(date, _)| date.to_string()).collect();
    assert_eq!(dates, [DAY, "2026-11-21"]);
    assert_eq!(run_nightly(&house.bench.log, &house.bench.db, &house.ctx, Due::Missing { restate: false }, &page).unwrap(), []);
    house.entry(Put::new(core, account, 1, Some(500)));
    let again = run_nightly(&house.bench.log, &house.bench.db, &house.ctx, Due::Date(parse_date(DAY).unwrap()), &page).unwrap();
    assert_eq!(again, [(parse_date(DAY).unwrap(), Made::Stored(2))]);
}

#[test]
fn once_a_night_dates_are_restated_to_which_entries_came_after_their_report() {
    let (house, core, account) = with_entries();
    house.bench.clock.advance(3 * ONE_DAY); // 2026-11-23T12:00
    let night = |restate| run_nightly(&house.bench.log, &house.bench.db, &house.ctx, Due::Missing { restate }, &page).unwrap();
    assert_eq!(night(true).len(), 3, "the first versions");
    assert_eq!(night(true), [], "nothing came since");
    house.entry(Put::new(core, account, 1, Some(500)));
    house.entry(Put { date: "2026-11-22", ..Put::new(core, account, 2, Some(700)) });
    assert_eq!(night(false), [], "it is not that time of the night");
    let made = night(true);
    assert_eq!(made, [DAY, "2026-11-22"].map(|date| (parse_date(date).unwrap(), Made::Stored(2))));
    assert_eq!(house.stored(DAY, None).report.totals["USD"].entries, 2);
    assert_eq!(night(true), []);
}

#[test]
fn too_many_recipients_are_refused_by_name() {
    let (mut house, ..) = with_entries();
    house.ctx.reports_to = vec!["officer@bank.example".into(); 65];
    let made = make(&house.bench.log, &house.bench.db, &house.ctx, parse_date(DAY).unwrap(), &page);
    assert_eq!(crate::trail::testing::code(made), "too_many_recipients");
}

#[test]
fn a_version_stored_meanwhile_makes_it_compute_again() {
    let (house, core, account) = with_entries();
    let calls = std::cell::Cell::new(0);
    let date = parse_date(DAY).unwrap();
    // Drawing the page comes after the figures and before the commit: another date slips in there.
    let slow = |report: &Report| {
        calls.set(calls.get() + 1);
        if calls.get() == 1 {
            house.entry(Put::new(core, account, 7, Some(500)));
            house.make("2026-11-19");
        }
        page(report)
    };
    assert_eq!(make(&house.bench.log, &house.bench.db, &house.ctx, date, &slow).unwrap(), Made::Stored(1));
    assert_eq!(calls.get(), 2);
    let (other, mine) = (house.stored("2026-11-19", None), house.stored(DAY, None));
    assert_eq!(mine.head.seq_from, other.head.seq_to + 1);
    assert_eq!(mine.report.totals["USD"].entries, 2);
    assert_eq!(house.bench.events("report.stored").len(), 2);
}
