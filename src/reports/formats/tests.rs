//! The formats of one report.
#![allow(clippy::unwrap_used)]

use super::super::testing::{DAY, House, Put};
use super::*;

fn report() -> Report {
    let house = House::new();
    let core = house.source("=cmd|' /C calc'!A1");
    house.source("quiet");
    let account = house.account(core, "DE89370400440532013000", "USD");
    house.entry(Put::new(core, account, -1_234_567, Some(0)));
    house.preview(DAY)
}

#[test]
fn csv_is_one_table_that_no_spreadsheet_runs() {
    let text = csv(&report());
    let mut reader = ::csv::ReaderBuilder::new().from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap(), vec!["section", "key", "currency", "count", "amount", "detail"]);
    let rows: Vec<::csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    let find = |section: &str, key: &str| rows.iter().find(|r| &r[0] == section && &r[1] == key).unwrap();
    assert_eq!((&find("totals", "debits")[2], &find("totals", "debits")[4]), ("USD", "12345.67"));
    assert_eq!(&find("totals", "closing")[4], "-12345.67"); // a number stays a number
    assert_eq!(&find("sources", "'=cmd|' /C calc'!A1: state")[5], "not announced");
    assert_eq!((&find("sources", "quiet: entries")[3], &find("sources", "quiet: state")[5]), ("", "not received"));
    assert!(rows.iter().all(|r| !r[1].starts_with(['=', '+', '-', '@']) && !r[5].starts_with(['=', '+', '-', '@'])));
    assert!(text.ends_with("\r\n"));
}

#[test]
fn text_is_aligned_and_groups_thousands() {
    let text = text(&report());
    assert!(text.contains("Business date 2026-11-20, version 0 (preview)"));
    assert!(text.contains("12,345.67") && text.contains("-12,345.67"), "{text}");
    let table: Vec<&str> = text.lines().skip_while(|l| !l.trim_start().starts_with("Severity")).take(5).collect();
    let ends: Vec<usize> = table.iter().map(|l| l.chars().count()).collect();
    assert!(ends.windows(2).all(|w| w[0] == w[1]), "{table:?}");
    assert!(text.contains("quiet") && text.contains("not received"));
}

#[test]
fn json_is_read_back_the_same() {
    let report = report();
    let read: Report = serde_json::from_str(&json(&report).unwrap()).unwrap();
    assert_eq!(read, report);
}
