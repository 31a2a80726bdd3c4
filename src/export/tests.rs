//! What is exported can be read back, and says what the tables say.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::alerts::store::{AlertRow, HitRow, Opening};
use crate::clock::{Moment, day_number};
use crate::db::bulk;
use crate::ledger::store::{AccountRow, BreakRow, ContextRow, EntryPartRow, EntryRow};
use crate::ledger::{
    ActorKind, BreakKind, BreakState, Channel, Context, Direction, Draft, FIELDS, Instrument, Kind, NewEntry, Parts, Status,
};
use crate::money::Currency;
use crate::trail::NewEvent;
use crate::trail::testing::Bench;

fn printable(max: usize) -> impl Strategy<Value = String> {
    let any = proptest::char::any().prop_filter("printable", |c| !c.is_ascii_control());
    let chars = prop_oneof![3 => prop::sample::select(vec!['=', '+', '-', '@', '\'', '"', ',', ';', ' ', 'a', '0']), 1 => any];
    prop::collection::vec(chars, 1..max).prop_map(|chars| chars.into_iter().collect())
}

/// What may stand in an identifier: no blank at its edges and nothing that cannot be seen.
fn identifier() -> impl Strategy<Value = String> {
    printable(20).prop_map(|text| {
        let seen: String = text.chars().filter(|c| !crate::ids::is_invisible(*c)).collect();
        let trimmed = seen.trim();
        if trimmed.is_empty() { "R".to_owned() } else { trimmed.to_owned() }
    })
}

prop_compose! {
    fn some_parts()(texts in prop::collection::vec(prop::option::of(printable(20)), 5)) -> Parts {
        let mut texts = texts.into_iter();
        let mut next = || texts.next().flatten();
        let country = next().map(|text| if text.len() % 2 == 0 { "SE" } else { "XK" }.to_owned());
        Parts { party: next(), counterparty: next(), counterparty_name: next(), counterparty_country: country, reason: next() }
    }
}

prop_compose! {
    fn some_context()(texts in prop::collection::vec(prop::option::of(printable(20)), 4),
                      ip in prop::option::of(any::<std::net::IpAddr>()),
                      actor_kind in prop::option::of(prop::sample::select(ActorKind::ALL))) -> Context {
        let mut texts = texts.into_iter();
        let mut next = || texts.next().flatten();
        let ip = ip.map(|ip| ip.to_canonical().to_string());
        Context { session_id: next(), ip, user_agent: next(), device_id: next(), actor: next(), actor_kind }
    }
}

prop_compose! {
    fn some_entry()(refs in (identifier(), identifier(), prop::option::of(identifier()), prop::option::of(identifier())),
                    currency in prop::sample::select(vec!["USD", "JPY", "KWD"]),
                    codes in (prop::sample::select(Kind::ALL), prop::sample::select(Direction::ALL), prop::sample::select(Status::ALL)),
                    places in (prop::option::of(prop::sample::select(Channel::ALL)), prop::option::of(prop::sample::select(Instrument::ALL))),
                    amount in 0..i64::MAX,
                    after in prop::option::of((-i64::MAX..i64::MAX, prop::option::of(-i64::MAX..i64::MAX))),
                    booked_at in -2_000_000_000_000_000_i64..7_000_000_000_000_000,
                    dates in (prop::option::of(-20_000..80_000), prop::option::of(-366..=366_i32)),
                    account_seq in any::<Option<i64>>(),
                    context in some_context(),
                    parts in some_parts()) -> NewEntry {
        NewEntry {
            source_ref: refs.0, account: refs.1, currency: Currency::parse(currency).unwrap(),
            kind: codes.0, direction: codes.1, amount,
            balance_before: after.and_then(|(_, before)| before), balance_after: after.map(|(after, _)| after),
            booked_at: Moment(booked_at), value_date: dates.0,
            business_date: dates.1.map(|days| booked_at.div_euclid(crate::clock::DAY) as i32 + days),
            transaction_ref: refs.2, account_seq, context, channel: places.0, instrument: places.1,
            reverses: refs.3, status: codes.2, parts,
        }
    }
}

fn csv_of(entry: &NewEntry) -> Vec<u8> {
    let mut out = Vec::new();
    let columns = FIELDS.iter().map(|(name, _)| *name).collect();
    let mut table = Table::begin(Format::Csv, columns, &mut out).unwrap();
    table.row(entries::entry_cells(entry)).unwrap();
    table.finish().unwrap();
    out
}

proptest! {
    #[test]
    fn an_entry_comes_back_from_csv_as_it_was(entry in some_entry()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("export.csv");
        std::fs::write(&path, csv_of(&entry)).unwrap();
        let file = crate::import::SourceFile::open(&path).unwrap();
        let mut rows = crate::import::Rows::open(&file, crate::import::Format::Auto, None, &()).unwrap();
        match rows.next().unwrap().unwrap().read {
            crate::import::Read::Entries(read) => prop_assert_eq!(read, vec![entry]),
            crate::import::Read::Skipped => prop_assert!(false, "skipped"),
            crate::import::Read::Refused(refused) => prop_assert!(false, "{}", refused.refusal),
        }
    }

    #[test]
    fn an_entry_comes_back_from_ndjson_as_it_was(entry in some_entry()) {
        let mut out = Vec::new();
        let columns = FIELDS.iter().map(|(name, _)| *name).collect();
        Table::begin(Format::Ndjson, columns, &mut out).unwrap().row(entries::entry_cells(&entry)).unwrap();
        prop_assert_eq!(Draft::from_json(&out).unwrap().check().unwrap(), entry);
    }
}

fn entry_row(seq: i64, day: &str, amount: i64) -> EntryRow {
    EntryRow {
        seq,
        recorded_at: Moment::parse("2026-11-20T12:00:00Z").unwrap().0,
        source: 1,
        source_ref: format!("R{seq}"),
        account: 2,
        position: seq,
        prev: None,
        jump: None,
        kind: Kind::Payment.code(),
        direction: Direction::Debit.code(),
        amount,
        currency: "USD".into(),
        balance_before: None,
        balance_after: Some(-amount),
        booked_at: Moment::parse("2026-11-20T14:03:22+01:00").unwrap().0,
        value_date: None,
        business_date: day_number(day.parse().unwrap()),
        flags: 0,
        transaction_ref: None,
        account_seq: None,
        context: 3,
        delivery: 4,
        channel: None,
        instrument: None,
        status: Status::Booked.code(),
        reverses: None,
        rules: 0,
        outcomes: None,
        blind: vec![7; 32],
    }
}

fn break_row(seq: i64, kind: BreakKind, values: (i64, i64)) -> BreakRow {
    let business_date = day_number("2026-11-20".parse().unwrap());
    BreakRow {
        seq,
        kind: kind.code(),
        account: 2,
        currency: "USD".into(),
        state: BreakState::Open.code(),
        expected: Some(values.0),
        found: Some(values.1),
        business_date,
        opened_by: seq,
        opened_at: 0,
        due_at: 0,
        closed_by: None,
        alert: None,
    }
}

/// A log with a few entries and findings.
fn bench() -> Bench {
    let bench = Bench::new();
    for n in 0..9 {
        bench
            .log
            .append(NewEvent::with_private("search.made", serde_json::json!({ "n": n }), serde_json::json!({ "q": "=x" })))
            .unwrap();
    }
    let (number, currency, session) = ("=A1".to_owned(), "USD".to_owned(), Some("s".to_owned()));
    let text = |text: &str| Some(text.to_owned());
    bench
        .log
        .side(move |conn| {
            bulk::append(conn, &[AccountRow { id: 2, source: 1, number, currency, created_at: 0 }])?;
            let context = ContextRow {
                id: 3, source: 1, session_id: session, ip: None, user_agent: None, device_id: None, actor: None, actor_kind: None, fingerprint: 0,
            };
            bulk::append(conn, &[context])?;
            bulk::append(conn, &[entry_row(5, "2026-11-19", 100), entry_row(6, "2026-11-20", 123_450), entry_row(7, "2026-11-21", 5)])?;
            let part = EntryPartRow {
                seq: 6, salt: vec![1; 32], party: None, counterparty: None, counterparty_name: text("O'Neil, \"Bob\""), counterparty_country: None, reason: None,
            };
            bulk::append(conn, &[part])?;
            let sql = "INSERT INTO day_ranges (business_date, first_seq, last_seq, entries) VALUES (20776, 5, 5, 1), (20777, 6, 6, 1), (20778, 7, 7, 1)";
            conn.execute(sql)?;
            let alert = AlertRow::opened((8, Moment(0)), Opening {
                 reference: "ALR-2026-000001".into(), rule: "high-value".into(), rules: 0, account: 2, severity: 3,
                business_date: 20_777,  first_booked_at: 0, last_seq: 6, hits: 1, explanation: "{}".into(), previous: None, });
            bulk::append(conn, &[alert])?;
            let hit = HitRow {
                seq: 6, rule: "high-value".into(), rules: 0, account: 2, business_date: 20_777, severity: 3, late: 0, decided_by: 6, alert: Some(8), evidence: "{}".into(),
            };
            bulk::append(conn, &[hit])?;
            bulk::append(conn, &[break_row(6, BreakKind::Chain, (150_000, -99_000)), break_row(6, BreakKind::Sequence, (4, 6))])
        })
        .unwrap();
    bench
}

fn export(bench: &Bench, what: What, format: Format, dates: (Option<&str>, Option<&str>)) -> (u64, String) {
    let date = |text: Option<&str>| text.map(|text| text.parse().unwrap());
    let request = ExportRequest { what, from: date(dates.0), to: date(dates.1), format, private: what == What::Events };
    let mut out = Vec::new();
    let rows = run(&request, &bench.db, &mut out).unwrap();
    (rows, String::from_utf8(out).unwrap())
}

#[test]
fn entries_carry_the_contract_s_fields_and_their_place_in_the_log() {
    let bench = bench();
    assert_eq!(day_number("2026-11-20".parse().unwrap()), 20_777);
    let (rows, text) = export(&bench, What::Entries, Format::Csv, (Some("2026-11-20"), Some("2026-11-20")));
    assert_eq!(rows, 1);
    let header = text.lines().next().unwrap();
    assert!(header.starts_with("source_ref,account,currency,kind,direction,amount,"), "{header}");
    assert!(header.ends_with(",reverses,status,seq,leaf,position,recorded_at"), "{header}");
    let row = text.lines().nth(1).unwrap();
    assert!(row.starts_with("R6,'=A1,USD,payment,debit,1234.50,,-1234.50,2026-11-20T13:03:22Z,,2026-11-20,,,s,"), "{row}");
    assert!(row.contains("\"O'Neil, \"\"Bob\"\"\""), "{row}");
    let leaf = hex::encode(entry_row(6, "2026-11-20", 123_450).leaf_hash("test.example/log").unwrap());
    assert!(row.ends_with(&format!(",booked,6,{leaf},6,2026-11-20T12:00:00Z")), "{row}");

    let (rows, text) = export(&bench, What::Entries, Format::Ndjson, (Some("2026-11-20"), None));
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((rows, lines.len()), (2, 2));
    assert_eq!((&lines[0]["account"], &lines[0]["amount"], &lines[0]["seq"]), (&"=A1".into(), &"1234.50".into(), &6.into()));
    assert_eq!(lines[1]["counterparty_name"], Value::Null);
    assert_eq!(export(&bench, What::Entries, Format::Csv, (None, None)).0, 3);
    assert_eq!(export(&bench, What::Entries, Format::Csv, (Some("2027-01-01"), None)).0, 0);
}

#[test]
fn findings_have_the_contract_s_columns() {
    let bench = bench();
    let day = (Some("2026-11-20"), Some("2026-11-20"));
    let (_, text) = export(&bench, What::Breaks, Format::Csv, day);
    let wanted = "seq,source_ref,account,kind,expected,found,state,type,id\r\n\
        6,R6,'=A1,chain,1500.00,-990.00,open,,\r\n6,R6,'=A1,sequence,4,6,open,,\r\n";
    assert_eq!(text, wanted);
    let (_, text) = export(&bench, What::Hits, Format::Csv, day);
    assert_eq!(text, "rule,seq,source_ref,account,alert,type,id,actor\r\nhigh-value,6,R6,'=A1,ALR-2026-000001,,,\r\n");
    let (_, text) = export(&bench, What::Alerts, Format::Ndjson, day);
    let alert: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(
        (&alert["alert"], &alert["severity"], &alert["state"]),
        (&"ALR-2026-000001".into(), &"high".into(), &"open".into())
    );
    assert_eq!(export(&bench, What::Hits, Format::Csv, (None, Some("2026-11-19"))).0, 0);
}

#[test]
fn events_are_chosen_by_the_date_they_were_recorded_on() {
    let bench = bench();
    bench.clock.advance(crate::clock::DAY);
    bench.log.append(NewEvent::public("search.made", serde_json::json!({ "n": "next day" }))).unwrap();
    let count = |from, to| export(&bench, What::Events, Format::Ndjson, (from, to)).0;
    assert_eq!(count(None, None), 11);
    assert_eq!(count(Some("2026-11-20"), Some("2026-11-20")), 10);
    assert_eq!(count(Some("2026-11-21"), None), 1);
    assert_eq!(count(None, Some("2026-11-19")), 0);
    let (_, text) = export(&bench, What::Events, Format::Csv, (None, None));
    assert!(text.starts_with("seq,recorded_at,kind,body,private\r\n0,2026-11-20T12:00:00Z,log.created,{},\r\n"), "{text}");
    assert!(text.contains("\"{\"\"q\"\":\"\"=x\"\"}\""), "{text}");
    let wrong = ExportRequest {
        what: What::Events,
        from: "2026-11-21".parse().ok(),
        to: "2026-11-20".parse().ok(),
        format: Format::Csv,
        private: false,
    };
    assert!(run(&wrong, &bench.db, &mut Vec::new()).is_err());
}
