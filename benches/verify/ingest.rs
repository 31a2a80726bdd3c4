//! What the trail costs while entries are taken in: the processor time of encoding, blinding, hashing
//! and growing the tree, alone and over the same entries, beside the processor time of both stages
//! with everything. The leaf's bytes are what is stored, so encoding is counted apart: without a
//! trail something like it would still be needed.

use std::hint::black_box;
use std::time::Instant;

use counterfoil::clock::{Clock, Moment};
use counterfoil::config::Config;
use counterfoil::db::Db;
use counterfoil::trail::Tail;
use counterfoil_verify::Tiles;

use super::{BATCH, median, rows, write};

/// Microseconds an entry.
struct Cost {
    encoding: f64,
    blinding: f64,
    hashing: f64,
    all: f64,
    rate: f64,
}

pub fn measure(entries: usize, rounds: usize) {
    println!("{entries} entries in batches of {BATCH}, SQLite, {rounds} rounds, medians; processor time in us an entry");
    let costs: Vec<Cost> = (0..rounds).map(|_| once(entries)).collect();
    let of = |part: fn(&Cost) -> f64| median(costs.iter().map(part).collect());
    let (encoding, blinding, hashing, all) = (of(|c| c.encoding), of(|c| c.blinding), of(|c| c.hashing), of(|c| c.all));
    println!(
        "| encoding the leaf | blinding | leaf hash and tree | both stages, everything | entries/s |\n|---|---|---|---|---|"
    );
    println!("| {encoding:.3} | {blinding:.3} | {hashing:.3} | {all:.3} | {:.0} |", of(|c| c.rate));
    let share = |trail: f64| 100.0 * trail / (all - trail);
    println!(
        "the trail adds {:.1} % to everything else; with the encoding, {:.1} %",
        share(blinding + hashing),
        share(blinding + hashing + encoding)
    );
}

fn once(entries: usize) -> Cost {
    let dir = tempfile::tempdir().unwrap();
    let db = Db::open(&format!("sqlite:{}", dir.path().join("ingest.db").display()), 2).unwrap();
    let (began, used) = (Instant::now(), super::cpu_seconds());
    let made = write(&db, &Config::default(), entries);
    let (wall, cpu) = (began.elapsed().as_secs_f64(), super::cpu_seconds() - used);
    let each = |seconds: f64| seconds * 1e6 / entries as f64;
    let stored = rows::stored(entries);
    let clock = Clock::system();
    let (mut blinding, mut encoding, mut sealing) = (0.0, 0.0, 0.0);
    let mut tail = Tail::new("bench.example/trail".to_owned(), 1, Tiles::new(), Moment(0));
    let mut bytes = Vec::new();
    for batch in stored.chunks(BATCH) {
        let began = Instant::now();
        (0..batch.len()).for_each(|_| {
            black_box(clock.random::<16>());
        });
        blinding += began.elapsed().as_secs_f64();
        bytes.clear();
        let began = Instant::now();
        batch.iter().for_each(|row| row.leaf().encode("bench.example/trail", &mut bytes).unwrap());
        encoding += began.elapsed().as_secs_f64();
        black_box(&bytes);
        bytes.clear();
        let began = Instant::now();
        batch.iter().for_each(|row| {
            black_box(tail.seal_entry(&row.leaf(), &mut bytes).unwrap());
        });
        black_box(tail.take_full_tiles());
        sealing += began.elapsed().as_secs_f64();
    }
    black_box(tail.root());
    Cost {
        encoding: each(encoding),
        blinding: each(blinding),
        hashing: each(sealing - encoding),
        // What making the entries up costs is not theirs.
        all: each(cpu - made),
        rate: entries as f64 / wall,
    }
}
