//! The shipped profiles over real rows, and profiles that must be refused.
#![allow(clippy::unwrap_used)]

use std::io::Write;

use super::*;
use crate::import::{Format, Read, Rows, SourceFile};
use crate::ledger::{Channel, Direction, Instrument, Kind, NewEntry, Status};

/// Reads CSV text: the entries of each row, or the refusal's field and code.
fn read(profile: &Profile, text: &str) -> Vec<Result<Vec<NewEntry>, (String, &'static str)>> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let source = SourceFile::open(file.path()).unwrap();
    let rows = Rows::open(&source, Format::Auto, Some(profile), &()).unwrap();
    let outcome = |read| match read {
        Read::Entries(entries) => Ok(entries),
        Read::Skipped => Ok(Vec::new()),
        Read::Refused(refused) => Err((refused.refusal.field.unwrap_or_default(), refused.refusal.code)),
    };
    rows.map(|row| outcome(row.unwrap().read)).collect()
}

fn excerpt(name: &str) -> String {
    let path = format!("{}/tests/data/import/{name}.csv", env!("CARGO_MANIFEST_DIR"));
    std::fs::read_to_string(path).unwrap()
}

/// Every entry of a shipped profile's excerpt; no row may be refused.
fn entries(name: &str) -> Vec<NewEntry> {
    let rows = read(&Profile::load(name).unwrap(), &excerpt(name));
    rows.into_iter().flat_map(|row| row.unwrap()).collect()
}

fn find<'e>(entries: &'e [NewEntry], source_ref: &str) -> &'e NewEntry {
    entries.iter().find(|entry| entry.source_ref == source_ref).unwrap()
}

/// The balances follow from the amount, but for `cents` of rounding.
fn holds_together(entry: &NewEntry, cents: i64) -> bool {
    let (before, after) = (entry.balance_before.unwrap(), entry.balance_after.unwrap());
    let moved = if entry.status == Status::Booked { entry.signed() } else { 0 };
    (before + moved - after).abs() <= cents
}

#[test]
fn every_shipped_profile_knows_its_own_header_and_says_what_it_reads() {
    for name in names() {
        let profile = Profile::load(name).unwrap();
        assert!(!profile.about().is_empty());
        let header: Vec<String> = excerpt(name).lines().next().unwrap().split(',').map(str::to_owned).collect();
        assert!(shipped_that_fit(&header).contains(&name), "{name}");
    }
}

#[test]
fn paysim_moves_one_account_or_two_and_attempts_none() {
    let all = entries("paysim");
    assert!(all.iter().all(|entry| holds_together(entry, 1)));
    let cash_in = find(&all, "PL1/1");
    assert_eq!((cash_in.kind, cash_in.direction, cash_in.amount), (Kind::Deposit, Direction::Credit, 20_966_311));
    assert_eq!((cash_in.instrument, cash_in.transaction_ref.as_deref()), (Some(Instrument::Cash), None));
    let (out, into) = (find(&all, "PL180/1"), find(&all, "PL180/2"));
    assert_eq!((out.account.as_str(), out.direction), ("C8990778760", Direction::Debit));
    assert_eq!((into.account.as_str(), into.direction), ("C5879045767", Direction::Credit));
    assert_eq!((&out.transaction_ref, &into.parts.counterparty), (&Some("PL180".into()), &Some("C8990778760".into())));
    let blocked: Vec<_> = all.iter().filter(|entry| entry.source_ref.starts_with("PL5275/")).collect();
    assert_eq!((blocked.len(), blocked[0].status), (1, Status::Attempted));
    assert_eq!(find(&all, "PL304/1").parts.reason.as_deref(), Some("declined: overdraft"));
}

#[test]
fn amlsim_and_synthfin_make_two_entries_of_each_payment() {
    for (name, rows, cents) in [("amlsim", 16, 25), ("synthfin", 12, 0)] {
        let all = entries(name);
        assert_eq!(all.len(), rows * 2);
        assert!(all.iter().all(|entry| holds_together(entry, cents) && entry.kind == Kind::Transfer));
    }
}

#[test]
fn continuity_reads_signed_amounts() {
    let all = entries("continuity");
    assert_eq!(all.len(), 20);
    assert!(all.iter().all(|entry| holds_together(entry, 10)));
    let paid = find(&all, "E0000027");
    assert_eq!((paid.kind, paid.direction, paid.amount), (Kind::Payment, Direction::Debit, 919_641));
    assert_eq!(find(&all, "E0004136").balance_before, Some(-1));
    assert_eq!(find(&all, "E0000028").direction, Direction::Credit);
}

#[test]
fn cardsim_reads_the_cents_behind_printed_floats() {
    let all = entries("cardsim");
    let amount = |source_ref| find(&all, source_ref).amount;
    assert_eq!((amount("K6638"), amount("K15877"), amount("K106958"), amount("K18573")), (38_385, 28_920, 265, 0));
    assert!(all.iter().all(|entry| entry.kind == Kind::Card && entry.balance_after.is_none()));
}

#[test]
fn sparkov_keeps_merchant_and_category() {
    let all = entries("sparkov");
    let first = find(&all, "S1");
    assert_eq!(first.parts.counterparty_name.as_deref(), Some("Christiansen, Goyette and Schamberger"));
    assert_eq!((first.channel, first.parts.reason.as_deref()), (Some(Channel::Card), Some("gas_transport")));
    assert!(all.iter().any(|entry| entry.channel == Some(Channel::Online)));
}

#[test]
fn datasynth_takes_its_own_side_and_refuses_fractions_of_a_yen() {
    let rows = read(&Profile::load("datasynth").unwrap(), &excerpt("datasynth"));
    let refused: Vec<_> = rows.iter().filter_map(|row| row.as_ref().err()).collect();
    assert_eq!(refused, [&("balance_before".to_owned(), "too_many_decimals")]);
    let all: Vec<NewEntry> = rows.into_iter().flatten().flatten().collect();
    assert!(all.iter().all(|entry| holds_together(entry, 0)));
    let (out, salary, cash) = (find(&all, "D3"), find(&all, "D5"), find(&all, "D172"));
    assert_eq!((out.currency.code(), out.context.ip.as_deref()), ("CAD", Some("198.51.100.248")));
    assert_eq!((salary.account.as_str(), salary.direction, salary.kind), ("DA0000013", Direction::Credit, Kind::Payment));
    assert_eq!((cash.kind, cash.channel, cash.instrument), (Kind::Deposit, Some(Channel::Branch), Some(Instrument::Cash)));
}

#[test]
fn ground_truth_never_reaches_an_entry() {
    for name in names() {
        let text = excerpt(name);
        let mut lines = text.lines();
        let header: Vec<&str> = lines.next().unwrap().split(',').collect();
        let truth = ["label", "typology", "case_id", "sim_flag", "stage", "spoofed"];
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let mut changed = format!("{}\n", header.join(","));
        for record in reader.records() {
            let record = record.unwrap();
            let cells = record
                .iter()
                .zip(&header)
                .map(|(cell, column)| if truth.contains(column) { "canary".to_owned() } else { format!("\"{cell}\"") });
            changed.push_str(&cells.collect::<Vec<_>>().join(","));
            changed.push('\n');
        }
        let profile = Profile::load(name).unwrap();
        let told = format!("{:?}", read(&profile, &changed));
        assert!(!told.contains("canary"), "{name}");
        assert_eq!(told, format!("{:?}", read(&profile, &text)), "{name}");
    }
}

const GERMAN: &str = r#"
about = "a German bank's bookings"
skip = [{ is = { Status = ["vorgemerkt"] } }]
[file]
delimiter = ";"
[numbers]
decimal = ","
thousands = "."
[times]
format = "%d.%m.%Y %H:%M"
zone = "Europe/Berlin"
date_format = "%d.%m.%Y"
[fields]
source_ref = { template = "{Konto}-{Nr}" }
account = "Konto"
currency = "Waehrung"
booked_at = "Zeit"
value_date = "Valuta"
balance_after = "Saldo"
[[entry]]
when.present = ["Soll"]
fields.amount = "Soll"
fields.kind = { column = "Art", map = { GEB = "fee" }, otherwise = "payment" }
fields.direction = { constant = "debit" }
[[entry]]
when = { present = ["Haben"], absent = ["Soll"] }
fields.amount = "Haben"
fields.kind = { constant = "deposit" }
"#;

#[test]
fn a_bank_s_own_export_is_read_without_code() {
    let profile = Profile::parse("german", GERMAN).unwrap();
    let text = "Nr;Konto;Waehrung;Zeit;Valuta;Art;Soll;Haben;Saldo;Status\r\n\
        1;DE89;EUR;20.07.2026 09:30;21.07.2026;GEB;1.234,50;;-1.000,00;gebucht\r\n\
        2;DE89;EUR;20.07.2026 09:31;21.07.2026;EIN;;20,00;-980,00;gebucht\r\n\
        3;DE89;EUR;20.07.2026 09:32;21.07.2026;EIN;;20,00;;vorgemerkt\r\n\
        4;DE89;EUR;20.07.2026 09:33;21.07.2026;EIN;;;;gebucht\r\n\
        5;DE89;EUR;29.03.2026 02:30;21.07.2026;EIN;;1,00;;gebucht\r\n\
        6;DE89;EUR;20.07.2026 09:33;21.07.2026;EIN;;1.0,00;;gebucht\r\n";
    let rows = read(&profile, text);
    let fee = &rows[0].as_ref().unwrap()[0];
    assert_eq!(
        (fee.source_ref.as_str(), fee.kind, fee.amount, fee.balance_after),
        ("DE89-1", Kind::Fee, 123_450, Some(-100_000))
    );
    assert_eq!(fee.booked_at.to_string(), "2026-07-20T07:30:00Z");
    assert_eq!(rows[1].as_ref().unwrap()[0].direction, Direction::Credit);
    assert_eq!(rows[2], Ok(Vec::new()));
    assert_eq!(rows[3], Err((String::new(), "no_entry_fits")));
    assert_eq!(rows[4], Err(("booked_at".into(), "time_does_not_exist")));
    assert_eq!(rows[5], Err(("amount".into(), "amount_invalid")));
}

#[test]
fn a_value_without_a_meaning_is_refused_and_not_guessed() {
    let text = excerpt("paysim").replacen("CASH_IN", "CASHBACK", 1).replacen(",ok,", ",reversed,", 1);
    let rows = read(&Profile::load("paysim").unwrap(), &text);
    assert_eq!(rows[0], Err((String::new(), "no_entry_fits")));
    let text = excerpt("paysim").replacen(",ok,", ",reversed,", 1);
    let rows = read(&Profile::load("paysim").unwrap(), &text);
    assert_eq!(rows[0].as_ref().unwrap_err().1, "value_unmapped");
    assert_eq!(rows[1].as_ref().unwrap().len(), 1, "other rows are read");
}

#[test]
fn a_profile_with_a_mistake_is_refused_with_words() {
    let with = |change: &str| Profile::parse("bad", &format!("about = \"x\"\n{change}\n[[entry]]\n"));
    for (change, words) in [
        ("colour = 1", "colour"),
        ("[numbers]\ndecimals = \".\"", "decimals"),
        ("[numbers]\nthousands = \".\"", "same character"),
        ("[times]\nzone = \"Europe/Atlantis\"", "Atlantis"),
        ("[times]\nformat = \"%Y-%Q\"", "strftime"),
        ("[file]\ndelimiter = \"::\"", "one character"),
        ("[fields]\namout = \"Betrag\"", "amout"),
        ("[fields]\namount = { columm = \"Betrag\" }", "columm"),
        ("[fields]\namount = { column = \"a\", constant = \"b\" }", "exactly one"),
        ("[fields]\nkind = { constant = \"gift\" }", "gift"),
        ("[fields]\ncurrency = { constant = \"usd\" }", "usd"),
        ("[fields]\nkind = { column = \"a\", map = { A = \"gift\" } }", "gift"),
        ("[fields]\nkind = { cases = [{ when.is.a = [\"b\"], value = \"gift\" }] }", "gift"),
        ("[fields]\nkind = { template = \"a\", otherwise = \"fee\" }", "otherwise"),
        ("[fields]\nkind = { column = \"a\", signed = \"negative-is-debit\" }", "signed"),
        ("[fields]\nkind = 5", "column"),
        ("= nonsense", "profile bad"),
    ] {
        let error = with(change).unwrap_err().to_string();
        assert!(error.contains(words), "{change}: {error}");
    }
    let none = Profile::parse("bad", "about = \"x\"").unwrap_err().to_string();
    assert!(none.contains("[[entry]]"), "{none}");
    let unknown = Profile::load("no-such-profile").unwrap_err().to_string();
    assert!(unknown.contains("paysim"), "{unknown}");
}

#[test]
fn a_file_without_the_profile_s_columns_names_the_missing_one() {
    let profile = Profile::load("continuity").unwrap();
    let columns = |header: &str| header.split(',').map(str::to_owned).collect::<Vec<_>>();
    let error = profile.plan(&columns("entry_id,account,ts,kind,balance_before,balance_after,counterparty,ref")).err().unwrap();
    assert!(error.contains("`amount`"), "{error}");
    let twice = "entry_id,account,account,ts,kind,amount,balance_before,balance_after,counterparty,ref";
    assert!(profile.plan(&columns(twice)).err().unwrap().contains("twice"));
}

#[test]
fn the_manual_s_profile_is_one() {
    let manual = std::fs::read_to_string(format!("{}/docs/profiles.md", env!("CARGO_MANIFEST_DIR"))).unwrap();
    let toml = manual.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    Profile::parse("manual", toml).unwrap();
}
