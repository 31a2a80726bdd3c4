//! A log with its two stages, run by hand.

use std::path::PathBuf;
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock};

use serde_json::json;
use tempfile::TempDir;

use super::Dice;
use super::client::{Client, Command as Sent};
use crate::clock::{Clock, MINUTE, Moment};
use crate::config::Config;
use crate::db::{Db, faults, migrate};
use crate::ids::Seq;
use crate::intake::committer::{Committer, Job};
use crate::intake::engine::Engine;
use crate::intake::handle::{Shared, Stages};
use crate::intake::queue::{Command, Queue};
use crate::intake::sequencer::Sequencer;
use crate::intake::{Delivery, DeliveryKind, Submission};
use crate::ledger::store::SourceRow;
use crate::trail::{Act, Changed, NewEvent};

type Second = Arc<Mutex<(Committer, Receiver<Job>)>>;

/// The stages of one run of the program.
struct Running {
    shared: Shared,
    sequencer: Sequencer,
    engine: Engine,
    second: Second,
    _lease: crate::db::Lease,
}

/// Everything there is.
pub struct World {
    pub db: Db,
    pub config: Config,
    pub clock: Clock,
    pub dice: Dice,
    /// One commit in so many meets a fault.
    pub faults: u64,
    source: Seq,
    running: Option<Running>,
    folder: TempDir,
}

/// Memory, where there is such a folder: what is tested here is not the disk.
pub fn folder() -> TempDir {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { TempDir::new_in(memory) } else { TempDir::new() }.unwrap()
}

/// A file that has the schema and no log.
pub fn empty(folder: &TempDir, name: &str) -> String {
    static TEMPLATE: OnceLock<TempDir> = OnceLock::new();
    let template = TEMPLATE.get_or_init(|| {
        let made = self::folder();
        let url = format!("sqlite:{}", made.path().join("empty.db").display());
        let mut conn = Db::open(&url, 1).unwrap().connect().unwrap();
        migrate::up(&mut conn).unwrap();
        conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        made
    });
    let file = folder.path().join(name);
    std::fs::copy(template.path().join("empty.db"), &file).unwrap();
    format!("sqlite:{}", file.display())
}

impl World {
    pub fn new(seed: u64, faults: u64) -> World {
        let folder = folder();
        let db = Db::open(&empty(&folder, "log.db"), 1).unwrap();
        let mut config = Config::default();
        config.limits.queue_entries = 6;
        config.mail.alerts_to = vec!["desk@bank.example".into()];
        config.keys.dir = folder.path().join("keys").display().to_string();
        let clock = Clock::fixed(Moment::parse("2026-03-02T12:00:00Z").unwrap(), seed);
        let mut world = World { db, config, clock, dice: Dice::new(seed), faults: 0, source: 0, running: None, folder };
        world.start();
        world.define_source();
        (world.running, world.faults) = (None, faults);
        world.start();
        world
    }

    pub fn empty(&self, name: &str) -> Db {
        Db::open(&empty(&self.folder, name), 1).unwrap()
    }

    fn start(&mut self) {
        faults::plan(None);
        let lease = self.db.lease().unwrap().unwrap();
        let stages = Stages::open(&self.db, &self.config, self.clock.clone()).unwrap();
        let Stages { shared, mut sequencer, engine, committer, receive } = stages;
        let second = Arc::new(Mutex::new((committer, receive)));
        let (pumped, dice, faults) = (second.clone(), self.dice.clone(), self.faults);
        sequencer.outcome = Box::new(move |queue: &Queue| {
            loop {
                if let Some(outcome) = queue.try_outcome() {
                    return outcome;
                }
                assert!(commit(&pumped, &dice, faults), "the sequencer waits for nothing");
            }
        });
        self.running = Some(Running { shared, sequencer, engine, second, _lease: lease });
    }

    fn define_source(&mut self) {
        let defined = Arc::new(Mutex::new(None));
        let put = defined.clone();
        let act: Act = Box::new(move |tx| {
            let id = tx.append(NewEvent::public("source.defined", json!({ "name": "core" })))?;
            crate::db::bulk::append(tx.conn, &[SourceRow { id, name: "core".into(), created_at: tx.now().0 }])?;
            tx.changed(Changed::Sources);
            *put.lock().unwrap() = Some(id);
            Ok(())
        });
        self.running().shared.queue.push(Command::Act(act, Box::new(|_| {}))).map_err(|_| "stopped").unwrap();
        while defined.lock().unwrap().is_none() {
            self.sequence();
        }
        self.source = defined.lock().unwrap().unwrap();
    }

    fn running(&mut self) -> &mut Running {
        self.running.as_mut().unwrap()
    }

    /// Sends a command; a full queue takes nothing.
    pub fn send(&mut self, client: &mut Client, command: usize) {
        let attempt = client.sent(command);
        let source = self.source;
        let queue = &self.running().shared.queue;
        match &client.commands[command] {
            Sent::Act => {
                let act: Act = Box::new(move |tx| {
                    tx.append(NewEvent::public("test.act", json!({ "command": command, "attempt": attempt })))?;
                    tx.append(NewEvent::with_private("test.more", json!({ "command": command }), json!({ "why": "x" })))?;
                    Ok(())
                });
                let done = client.acted(command, attempt);
                queue.push(Command::Act(act, Box::new(move |result| done(result.is_ok())))).map_err(|_| "stopped").unwrap();
            }
            Sent::Entries { atomic, .. } => {
                let submission = Submission {
                    source,
                    delivery: Delivery { kind: DeliveryKind::Api, api_key: None, origin: Some("10.0.0.9".into()) },
                    rows: client.rows(command),
                    atomic: *atomic,
                    history: false,
                    reply: client.reply(command, attempt),
                };
                if queue.submit(submission).is_err() {
                    client.busy(command);
                }
            }
        }
    }

    /// Lets the first stage do one thing, if there is one.
    pub fn sequence(&mut self) -> bool {
        let Some(running) = &mut self.running else { return false };
        let Some(next) = running.sequencer.next(&running.engine) else { return false };
        running.sequencer.step(&mut running.engine, next)
    }

    /// Lets the second stage do one thing, if there is one.
    pub fn commit(&mut self) -> bool {
        let (dice, faults) = (self.dice.clone(), self.faults);
        commit(&self.running().second, &dice, faults)
    }

    /// Lets the second stage do one thing that fails at its step `at` (counted from 0), if it has as
    /// many; answers how many it passed.
    pub fn commit_failing(&mut self, at: u32) -> u32 {
        let (committer, jobs) = &mut *self.running().second.lock().unwrap();
        let job = jobs.try_recv().unwrap();
        faults::plan(Some(at));
        committer.work(job);
        let passed = faults::steps();
        faults::plan(None);
        passed
    }

    /// The process dies where it stands and is started again.
    pub fn crash(&mut self, client: &mut Client) {
        self.running = None;
        client.disconnected();
        self.start();
    }

    /// The process stops as it should.
    pub fn stop(&mut self, client: &mut Client) {
        self.faults = 0;
        faults::plan(None);
        self.running().shared.queue.stop();
        while self.sequence() || self.commit() {}
        self.running = None;
        client.listen();
    }

    pub fn time_passes(&self) {
        self.clock.advance(self.dice.roll(2 * MINUTE as u64) as i64);
    }
}

fn commit(second: &Second, dice: &Dice, faults: u64) -> bool {
    let (committer, jobs) = &mut *second.lock().unwrap();
    let Ok(job) = jobs.try_recv() else { return false };
    let fault = (faults > 0 && dice.one_in(faults)).then(|| dice.roll(14) as u32);
    faults::plan(fault);
    let goes_on = committer.work(job);
    faults::plan(None);
    goes_on
}
