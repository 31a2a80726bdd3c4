//! Power fails at any write or sync, and what was not synced is there in part, in no order, torn:
//! what was acknowledged is there once, and the log verifies. Where syncs do nothing it must not.

mod disk;
mod shim;
mod trace;

use std::path::Path;
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};

use counterfoil::audit::{self, Given, Options};
use counterfoil::clock::{Clock, Moment};
use counterfoil::config::Config;
use counterfoil::db::Db;
use counterfoil::ids::Seq;
use counterfoil::intake::{self, Delivery, DeliveryKind, RowResult, Submission};
use counterfoil::ledger::store::entries_between;
use counterfoil::trail::{NewEvent, store as trail};
use serde_json::json;

use self::disk::{Image, Session};
use crate::bank::{Bank, define_source, entry};
use crate::support::rounds;

/// Submissions in one story.
const SENT: i64 = 120;
/// Seeds of `.ci/long` at most: each is more than a hundred power cuts.
const SEEDS_MAX: u64 = 20;

/// What had been answered: places of entries by reference, and of acts.
#[derive(Clone, Default)]
struct Acknowledged {
    entries: Vec<(String, Seq)>,
    acts: Vec<Seq>,
}

struct Roll(u64);

impl Roll {
    fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

/// Writes a log on the disk that forgets; answers what cuts at random steps would have left.
fn story(seed: u64, syncs_count: bool) -> (Vec<Image<Acknowledged>>, u64) {
    shim::install();
    let session = Session::begin(syncs_count);
    let folder = tempfile::Builder::new().prefix("power-").tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("bank.db").display());
    let mut config = Config::default();
    config.keys.dir = folder.path().join("keys").display().to_string();
    // Small runs and few cached accounts: index runs and states are written as well.
    config.limits.segment_entries = 60;
    let db = Db::open(&url, 1).unwrap();
    let clock = Clock::fixed(Moment::parse("2026-03-02T12:00:00Z").unwrap(), seed);
    let intake = intake::start(&db, &config, clock).unwrap();
    let source = define_source(&intake, "core");
    let acknowledged = Arc::new(Mutex::new(Acknowledged::default()));
    let images = Arc::new(Mutex::new(Vec::new()));
    let (seen, taken) = (acknowledged.clone(), images.clone());
    let mut roll = Roll(seed);
    session.watch(move || {
        if roll.below(40) == 0 {
            // What is acknowledged by now was acknowledged before this step.
            let noted = seen.lock().unwrap().clone();
            let files = disk::cut(&mut |n| roll.below(n));
            taken.lock().unwrap().push(Image { files, noted });
        }
    });
    for n in 0..SENT {
        if n % 10 == 9 {
            let seq = intake.log().append(NewEvent::with_private("test.act", json!({ "n": n }), json!({ "why": "x" }))).unwrap();
            acknowledged.lock().unwrap().acts.push(seq);
            continue;
        }
        let row =
            entry(&format!("P{n}"), &format!("A{}", n % 5), "2026-03-02T10:00:00Z", n, n + 1 + 20_000 * i64::from(n % 7 == 0));
        let (send, receive) = channel();
        let reply: intake::Reply = Box::new(move |results| send.send(results.unwrap()).unwrap());
        let delivery = Delivery { kind: DeliveryKind::Api, api_key: None, origin: None };
        let rows = vec![Bank::row(1, row)];
        intake.submit_wait(Submission { source, delivery, rows, atomic: false, history: false, reply }).unwrap();
        let RowResult::Recorded(receipt) = receive.recv().unwrap().remove(0) else { panic!("not recorded") };
        acknowledged.lock().unwrap().entries.push((format!("P{n}"), receipt.seq));
    }
    let noted = acknowledged.lock().unwrap().clone();
    images.lock().unwrap().push(Image { files: disk::cut(&mut |_| 8), noted });
    let syncs = session.syncs();
    intake.halt();
    drop(session);
    let images = std::mem::take(&mut *images.lock().unwrap());
    (images, syncs)
}

/// What is wrong with the log that a cut left, if anything.
fn wrong(image: &Image<Acknowledged>) -> Option<String> {
    let folder = tempfile::tempdir().unwrap();
    for (path, bytes) in &image.files {
        std::fs::write(folder.path().join(path.file_name().unwrap()), bytes).unwrap();
    }
    let mut config = Config::default();
    config.keys.dir = folder.path().join("keys").display().to_string();
    examined(folder.path(), &config, &image.noted).err()
}

fn examined(folder: &Path, config: &Config, noted: &Acknowledged) -> Result<(), String> {
    let text = |e: &dyn std::fmt::Display| e.to_string();
    let db = Db::open(&format!("sqlite:{}", folder.join("bank.db").display()), 1).map_err(|e| text(&e))?;
    let mut conn = db.connect().map_err(|e| text(&e))?;
    let entries = entries_between(&mut conn, 0, Seq::MAX, 100_000).map_err(|e| text(&e))?;
    for (reference, seq) in &noted.entries {
        let found: Vec<Seq> = entries.iter().filter(|e| e.source_ref == *reference).map(|e| e.seq).collect();
        if found != [*seq] {
            return Err(format!("{reference} was acknowledged at {seq} and is at {found:?}"));
        }
    }
    for seq in &noted.acts {
        let event = trail::event(&mut conn, *seq).map_err(|e| text(&e))?;
        if event.is_none_or(|(row, _)| row.kind != "test.act") {
            return Err(format!("the act at {seq} was acknowledged and is gone"));
        }
    }
    let options = Options { config, now: Moment(0), progress: &|_, _| {}, given: Given::NONE };
    let outcome = audit::verify(&db, options).map_err(|e| text(&e))?;
    if !outcome.ok {
        return Err(format!("{:?}", outcome.findings));
    }
    // It can be written on.
    drop(conn);
    let intake = intake::start(&db, config, Clock::system()).map_err(|e| text(&e))?;
    intake.stop();
    Ok(())
}

#[test]
fn after_a_power_cut_at_any_step_what_was_acknowledged_is_there_once() {
    for seed in 0..u64::from(rounds(3)).min(SEEDS_MAX) {
        let (images, syncs) = story(seed, true);
        assert!(images.len() > 10 && syncs as i64 > SENT, "seed {seed}: {} cuts, {syncs} syncs", images.len());
        for (n, image) in images.iter().enumerate() {
            if let Some(why) = wrong(image) {
                panic!("seed {seed}, cut {n} of {}: {why}", images.len());
            }
        }
        assert_eq!(images.last().unwrap().noted.entries.len() as i64, SENT - SENT / 10);
    }
}

#[test]
fn where_a_sync_does_nothing_the_same_check_fails() {
    let (images, _) = story(1, false);
    let lost = images.iter().filter(|image| wrong(image).is_some()).count();
    assert!(lost > images.len() / 2, "synchronous=OFF must lose what was acknowledged: {lost} of {} cuts did", images.len());
}
