//! Files good and bad, and the bookkeeping of a run over a log that a test plays.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::mpsc;

use super::*;
use crate::clock::{Clock, Moment};
use crate::intake::{Failed, Receipt, Rehearsal, RowResult, Told};
use crate::ledger::Refusal;
use crate::trail::testing::Bench;

const HEADER: &str = "source_ref,account,currency,kind,amount,booked_at\n";

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn put(folder: &Path, bytes: &[u8]) -> PathBuf {
    let path = folder.join("file");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn request(path: &Path) -> ImportRequest {
    ImportRequest {
        path: path.to_owned(),
        source: "core".into(),
        format: Format::Auto,
        profile: None,
        history: false,
        mail_to: vec!["officer@bank.example".into()],
    }
}

/// Over a log that is not there yet.
fn nothing_stored() -> crate::db::DbResult<Rehearsal> {
    let mut config = crate::config::Config::default();
    config.database.url = "sqlite:/nowhere/at/all.db".into();
    Rehearsal::begin(&config, Clock::fixed(Moment(0), 7), "core")
}

/// A dry run over `bytes`: rows read and the refusals as line, field and code.
fn dry(bytes: &[u8]) -> Result<(u64, Vec<String>), String> {
    let folder = folder();
    let summary = dry_run(&request(&put(folder.path(), bytes)), nothing_stored, &()).map_err(|e| e.to_string())?;
    let list = folder.path().join("file.rejects.csv");
    let listed = if list.exists() { std::fs::read_to_string(list).unwrap() } else { String::new() };
    let first_three = |line: &str| line.split(',').take(3).collect::<Vec<_>>().join(",");
    let refused: Vec<String> = listed.lines().skip(1).map(first_three).collect();
    assert_eq!(refused.len() as u64, summary.rejected);
    Ok((summary.read, refused))
}

fn rows(n: usize) -> String {
    (0..n).map(|i| format!("R{i},A{},USD,deposit,1.00,2026-11-20T14:03:22Z\n", i % 7)).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn the_contract_s_own_columns_are_read_whatever_the_wrapping() {
    let plain = format!("{HEADER}{}\n\n", rows(3));
    let semicolons = plain.replace(',', ";").replace('\n', "\r\n");
    let tabs = format!("\u{feff}{}", plain.replace(',', "\t"));
    let spaced = plain.replace(',', " , ");
    let two_members = [gzip(HEADER.as_bytes()), gzip(rows(3).as_bytes())].concat();
    let zstd = zstd::encode_all(plain.as_bytes(), 1).unwrap();
    for bytes in [plain.as_bytes(), semicolons.as_bytes(), tabs.as_bytes(), spaced.as_bytes(), &two_members, &zstd] {
        assert_eq!(dry(bytes), Ok((3, vec![])));
    }
    let ndjson =
        br#"{"source_ref":"1","account":"A","currency":"USD","kind":"fee","amount":"1","booked_at":"2026-11-20T14:03:22Z"}"#;
    assert_eq!(dry(&[&ndjson[..], b"\n\n", ndjson, b"\r\n"].concat()), Ok((2, vec![])));
}

#[test]
fn each_refused_row_is_named_by_line_field_and_code_and_the_others_are_read() {
    let text = format!(
        "{HEADER}R1,A,USD,deposit,1.005,2026-11-20T14:03:22Z\n\nR2,A,USD,transfer,1,2026-11-20T14:03:22Z\n\
         R3,A,USD,deposit,1,2026-11-20T14:03:22Z,extra\nR4,A,USD,deposit,1,2026-11-20T14:03:22Z\n\
         R5,A\u{0},USD,deposit,1,2026-11-20T14:03:22Z\nR6,\"A\"x,USD,deposit,1,2026-11-20T14:03:22Z\n\
         R7,A,USD,deposit,\" 1\",2026-11-20T14:03:22Z\n"
    );
    let mut bytes = text.into_bytes();
    bytes.extend_from_slice(b"R8,\xff\xfe,USD,deposit,1,2026-11-20T14:03:22Z\n");
    let wanted = [
        "2,amount,too_many_decimals",
        "4,direction,direction_required",
        "5,,column_count",
        "7,account,control_character",
        "8,,unreadable",
        "9,amount,amount_invalid",
        "10,,unreadable",
    ];
    assert_eq!(dry(&bytes), Ok((8, wanted.map(str::to_owned).to_vec())));
    let ndjson = b"{\"source_ref\":\"1\"}\nnonsense\n[]\n{\"amount\":1.5}\n";
    let wanted = ["1,currency,field_required", "2,,unreadable", "3,,unreadable", "4,amount,field_type"];
    assert_eq!(dry(ndjson), Ok((4, wanted.map(str::to_owned).to_vec())));
}

#[test]
fn a_quote_that_is_never_closed_costs_its_own_row_only() {
    let text = format!("{HEADER}\"R0,A,USD,deposit,1.00,2026-11-20T14:03:22Z\n{}", rows(200));
    assert_eq!(dry(text.as_bytes()), Ok((201, vec!["2,,unreadable".to_owned()])));
    let closed = format!("{HEADER}\"R\"\"0\",A,USD,deposit,1.00,2026-11-20T14:03:22Z\n{}", rows(2));
    assert_eq!(dry(closed.as_bytes()), Ok((3, vec![])));
    // Over two lines it is one row; the contract has no line ends in a field.
    let broken = format!("{HEADER}\"R\n0\",A,USD,deposit,1.00,2026-11-20T14:03:22Z\n{}", rows(2));
    assert_eq!(dry(broken.as_bytes()), Ok((3, vec!["2,source_ref,control_character".to_owned()])));
}

#[test]
fn a_header_that_does_not_fit_is_refused_before_anything_is_read() {
    for (header, words) in [
        ("source_ref,account,amout", "`amout`"),
        ("source_ref,account,account", "twice"),
        ("source_ref,account,currency,kind", "lacks amount, booked_at"),
        ("entry_id,account,ts,kind,amount,balance_before,balance_after,counterparty,ref", "profiles continuity"),
        ("tx_id,ts,\"type", "quotes"),
        ("[{\"source_ref\":\"1\"}]", "NDJSON"),
    ] {
        let error = dry(format!("{header}\n1,2,3\n").as_bytes()).unwrap_err();
        assert!(error.contains(words), "{header}: {error}");
    }
}

#[test]
fn garbage_gives_words_or_refused_rows_and_never_a_panic() {
    let damaged = gzip(format!("{HEADER}{}", rows(20_000)).as_bytes());
    let noise: Vec<u8> = (0..100_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for (bytes, words) in [
        (&b""[..], "empty"),
        (&b"\n \n\r\n"[..], "empty lines"),
        (&b"\x00\x01\x02\x03"[..], "UTF-8"),
        (&noise, "UTF-8"),
        (&b"\x7fELF\x02\x01\x01\0\0\n"[..], "UTF-8"),
        (&damaged[..damaged.len() / 2], "damaged"),
        (&b"\x1f\x8bnot gzip"[..], "damaged"),
        (&b"\x28\xb5\x2f\xfdnot zstd"[..], "damaged"),
        (&b"PK\x03\x04"[..], "Excel"),
        (&b"\xff\xfes\0o\0"[..], "UTF-16"),
        (&vec![b'x'; 5 << 20], "1 MiB"),
        (&b"%PDF-1.7"[..], "PDF"),
    ] {
        let error = dry(bytes).unwrap_err();
        assert!(error.contains(words), "{words}: {error}");
    }
    let one_line = [b"{".to_vec(), vec![b'x'; 100 << 20]].concat();
    assert_eq!(dry(&one_line), Ok((1, vec!["1,,unreadable".to_owned()])));
    let nuls = [HEADER.as_bytes(), &[0; 4096], b"\n"].concat();
    assert_eq!(dry(&nuls).map(|(read, refused)| (read, refused.len())), Ok((1, 1)));
    let directory = dry_run(&request(folder().path()), nothing_stored, &()).unwrap_err().to_string();
    assert!(directory.contains("not a regular file") || directory.contains("cannot be opened"), "{directory}");
    let nothing = dry_run(&request(Path::new("/nowhere/at/all")), nothing_stored, &()).unwrap_err().to_string();
    assert!(nothing.contains("cannot be opened"), "{nothing}");
}

/// A log that a test plays: answers every entry, and stops after some batches.
struct Played<'b> {
    bench: &'b Bench,
    answers: fn(u64) -> RowResult,
    stop_after: usize,
    seen: Mutex<Vec<usize>>,
}

fn receipt() -> Receipt {
    Receipt { seq: 1, leaf: [0; 32], position: 1, hits: Vec::new(), breaks: Vec::new(), told: Told::All, masked: 0 }
}

impl Leader for Played<'_> {
    fn begin(&self, _: &str, _: &str) -> Result<Begun, ImportError> {
        Ok(Begun { source: 1, now: self.bench.clock.now().0, size: 1 })
    }

    fn submit(&self, batch: Batch) -> Result<Ticket, ImportError> {
        let mut seen = self.seen.lock().unwrap();
        seen.push(batch.rows.len());
        let (answer, ticket) = mpsc::sync_channel(1);
        let results = batch.rows.iter().map(|row| match &row.entry {
            Ok(_) => (self.answers)(row.line),
            Err(refused) => RowResult::Rejected(refused.refusal.clone()),
        });
        let stopped = seen.len() > self.stop_after;
        answer.send(if stopped { Err(Failed("the disk is full".into())) } else { Ok(results.collect()) }).unwrap();
        Ok(ticket)
    }

    fn note(&self, run: RunRow) -> Result<(), ImportError> {
        Ok(self.bench.log.side(move |conn| store::save(conn, &run))?)
    }

    fn finish(&self, finish: Finish) -> Result<(), ImportError> {
        Ok(self.bench.log.act(move |tx| end(tx, finish))?)
    }
}

fn played(bench: &Bench, answers: fn(u64) -> RowResult, stop_after: usize) -> Played<'_> {
    Played { bench, answers, stop_after, seen: Mutex::new(Vec::new()) }
}

#[test]
fn an_interrupted_run_goes_on_where_it_stopped_and_sums_up() {
    let (bench, folder) = (Bench::new(), folder());
    let text = format!("{HEADER}R,A,USD,deposit,bad,2026-11-20T14:03:22Z\n{}", rows(22_000));
    let request = request(&put(folder.path(), text.as_bytes()));
    let conflict_at_100: fn(u64) -> RowResult = |line| match line {
        100 => RowResult::Rejected(Refusal::conflict(Some(7), "other content")),
        _ => RowResult::Recorded(receipt()),
    };
    let first = played(&bench, conflict_at_100, 2);
    let error = run(&request, &first, &bench.db, &()).unwrap_err().to_string();
    assert!(error.contains("run the same command again"), "{error}");
    assert!(bench.events("import.finished").is_empty());

    let second = played(&bench, conflict_at_100, 99);
    let summary = run(&request, &second, &bench.db, &()).unwrap();
    assert_eq!(*second.seen.lock().unwrap(), [5_000, 5_000, 2_001], "10,000 rows were done");
    assert_eq!((summary.read, summary.recorded, summary.duplicates, summary.rejected), (22_001, 21_999, 0, 2));
    assert!(summary.resumed);
    let listed = std::fs::read_to_string(summary.rejects_file.unwrap()).unwrap();
    let starts: Vec<&str> = listed.lines().map(|line| line.split(',').next().unwrap()).collect();
    assert_eq!(starts, ["line", "2", "100"], "both were listed by the first run");
    let (_, body, private) = bench.events("import.finished").pop().unwrap();
    assert_eq!((body["read"].as_u64(), body["recorded"].as_u64()), (Some(22_001), Some(21_999)));
    assert!(!body.to_string().contains("file") && private.unwrap().to_string().contains("\"file\""));

    let third = played(&bench, |_| RowResult::Duplicate(receipt()), 99);
    let again = run(&request, &third, &bench.db, &()).unwrap();
    assert_eq!((again.read, again.recorded, again.duplicates, again.rejected), (22_001, 0, 22_000, 1));
    assert!(!again.resumed);
}

#[test]
fn another_source_or_mapping_is_another_run_and_a_bad_file_leaves_no_trace() {
    let (bench, folder) = (Bench::new(), folder());
    let path = put(folder.path(), format!("{HEADER}{}", rows(1)).as_bytes());
    let digest = |more: &[&str]| SourceFile::open(&path).unwrap().digest(more, &()).unwrap();
    assert_ne!(digest(&["core", ""]), digest(&["cards", ""]));
    assert_ne!(digest(&["core", "x"]), digest(&["corex", ""]));
    let leader = played(&bench, |_| RowResult::Recorded(receipt()), 99);
    let bad = put(folder.path(), b"nonsense,header\n");
    assert!(run(&request(&bad), &leader, &bench.db, &()).is_err());
    assert_eq!(bench.events("import.finished").len(), 0);
}

#[test]
fn a_history_owes_one_summary_to_each_recipient_and_a_plain_import_none() {
    let (bench, folder) = (Bench::new(), folder());
    let mut request = request(&put(folder.path(), format!("{HEADER}{}", rows(3)).as_bytes()));
    let leader = played(&bench, |_| RowResult::Recorded(receipt()), 99);
    let mails = || {
        use diesel::prelude::*;
        let query = crate::db::schema::outbox::table;
        bench.read(|conn| Ok(crate::on_conn!(conn, |c| query.select(crate::notify::store::OutboxRow::as_select()).load(c))?))
    };
    run(&request, &leader, &bench.db, &()).unwrap();
    assert_eq!(mails().len(), 0);
    request.history = true;
    request.mail_to.push("second@bank.example".into());
    run(&request, &leader, &bench.db, &()).unwrap();
    let (seq, body, _) = bench.events("import.finished").pop().unwrap();
    assert_eq!(body["history"], true);
    let told: Vec<_> = mails().into_iter().map(|row| (row.id, row.kind, row.about, row.recipient)).collect();
    let mail = |index, to: &str| (seq * 64 + index, "history".to_owned(), seq, to.to_owned());
    assert_eq!(told, [mail(0, "officer@bank.example"), mail(1, "second@bank.example")]);
}
