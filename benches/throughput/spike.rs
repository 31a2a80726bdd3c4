//! Growth: many random rows into one file, million by million, beside the raw insert of the same
//! rows. Ours are appended with everything: definitions, back pointers, reference filter and index
//! runs, triggers, leaves, tiles.

use std::time::Instant;

use counterfoil::clock::Clock;
use counterfoil::config::Config;
use counterfoil::db::Db;
use counterfoil::intake;

use super::ours::{in_batches, record, source};
use super::raw::Raw;
use super::rows;

const ACCOUNTS: u64 = 100_000;
/// Rows made at once, off the clock.
const CHUNK: usize = 250_000;

/// `alone`: without the raw insert, which wants half as much room again.
pub fn measure(total: usize, batch: usize, alone: bool) {
    println!("{total} rows on {ACCOUNTS} accounts in batches of {batch}, SQLite, one file each\n");
    println!("| rows so far | raw prepared insert | through the sequencer | ratio |\n|---|---|---|---|");
    let dir = tempfile::tempdir().unwrap();
    let (raw_file, file) = (dir.path().join("raw.db"), dir.path().join("ours.db"));
    let mut raw = Raw::create(&raw_file);
    let db = Db::open(&format!("sqlite:{}", file.display()), 2).unwrap();
    let intake = intake::start(&db, &Config::default(), Clock::system()).unwrap();
    let source = source(&intake, "spike");
    let mut stream = rows::Stream::new(ACCOUNTS, 0);
    let (mut done, mut ours, mut theirs) = (0, Vec::new(), Vec::new());
    while done < total {
        let entries = stream.take(CHUNK.min(total - done));
        let stored = rows::stored_from(done, entries.clone());
        done += entries.len();
        let batches = in_batches(entries, batch);
        theirs.push(if alone { f64::NAN } else { raw.append(&stored, batch) });
        drop(stored);
        let began = Instant::now();
        record(&intake, source, batches);
        ours.push(began.elapsed().as_secs_f64());
        if done.is_multiple_of(4 * CHUNK) || done == total {
            let last = &ours[ours.len().saturating_sub(4)..];
            report(done, last, &theirs[theirs.len() - last.len()..], CHUNK);
        }
    }
    intake.stop();
    drop(raw);
    report(done, &ours, &theirs, CHUNK);
    let each = |path: &std::path::Path| std::fs::metadata(path).map_or(0, |m| m.len()) / total as u64;
    println!("\nthe last line is the whole; bytes a row: raw {}, ours {}", each(&raw_file), each(&file));
}

fn report(done: usize, ours: &[f64], theirs: &[f64], chunk: usize) {
    let rate = |seconds: &[f64]| (seconds.len() * chunk) as f64 / seconds.iter().sum::<f64>();
    println!("| {done} | {:.0} | {:.0} | {:.2} |", rate(theirs), rate(ours), rate(ours) / rate(theirs));
}
