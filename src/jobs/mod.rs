//! What runs by the clock: mail, overdue breaks, checkpoints that do not come back, the nightly report, verification.
//!
//! Every job is a function that can be called by hand (`nightly`, `verify`); here they only get
//! their time. A verification notes its outcome in the log and in the table `jobs`: pages read it. A job that fails is tried again at its next turn; none stops another.

mod anchors;
mod announce;
mod duty;
mod nightly;
mod witnesses;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use anchors::AnchorWatch;
pub use announce::Announcer;
pub use duty::Duty;
pub use nightly::{NightlyError, night, verify_and_note};

use serde_json::json;

use crate::alerts::grace;
use crate::app::{App, carry_out_due};
use crate::capture::Drainer;
use crate::db::{Channel, Waiter};
use crate::forward::Receiver;
use crate::notify::{Mailer, deliver_due};
use crate::trail::{ActError, NewEvent};

use witnesses::Witnesses;

/// How often the log is signed if it has grown: well within the ten seconds it may take.
const SIGN_EVERY: Duration = Duration::from_secs(1);
/// How often the log says that its writer is there, so that a gap is visible.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(55);
/// How often witnesses are asked to sign.
const WITNESS_EVERY: Duration = Duration::from_secs(60);
/// How often waiting mail is looked for where nobody says that there is some: well within the ten seconds that
/// the first may take. And where the database says so, for mail that is only held back.
const MAIL_EVERY: Duration = Duration::from_secs(1);
const MAIL_ANYWAY: Duration = Duration::from_secs(5);
/// How often overdue breaks are looked for.
const GRACE_EVERY: Duration = Duration::from_secs(10);
/// How often it is checked how old the newest checkpoint is that came back.
const ANCHOR_EVERY: Duration = Duration::from_secs(60);
/// How often proposals that wait are announced, approved proposals are carried out, and those ended whose time is over.
const APPROVALS_EVERY: Duration = Duration::from_secs(5);
/// How often it is checked whether a night is due.
const NIGHTLY_EVERY: Duration = Duration::from_secs(20);
/// How often receivers of the log get what was signed since.
const FORWARD_EVERY: Duration = Duration::from_secs(1);
/// The longest pause before a receiver that does not answer is tried again.
const FORWARD_AGAIN: Duration = Duration::from_secs(5 * 60);
/// How often captured tables are drained.
const CAPTURE_EVERY: Duration = Duration::from_millis(250);
/// The longest pause before a bank's database that does not answer is tried again.
const CAPTURE_AGAIN: Duration = Duration::from_secs(15);
/// The longest pause before a night that failed is tried again: it reads much each time.
const NIGHTLY_AGAIN: Duration = Duration::from_secs(15 * 60);

/// Jobs that run as long as this lives.
pub struct Jobs {
    bell: Arc<Bell>,
    threads: Vec<JoinHandle<()>>,
}

/// Wakes the jobs when they must end.
#[derive(Default)]
struct Bell {
    stop: AtomicBool,
    lock: Mutex<()>,
    rung: Condvar,
}

impl Bell {
    fn ring(&self) {
        // Under the lock: whoever has just looked and is about to wait would sleep through it.
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.stop.store(true, Ordering::Release);
        drop(guard);
        self.rung.notify_all();
    }

    fn is_over(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Waits; answers whether to go on.
    fn wait(&self, pause: Duration) -> bool {
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.stop.load(Ordering::Acquire) {
            drop(self.rung.wait_timeout(guard, pause));
        }
        !self.stop.load(Ordering::Acquire)
    }
}

impl Jobs {
    /// Starts every job on a thread of its own.
    pub fn start(app: &App, mailer: Arc<Mailer>) -> std::io::Result<Jobs> {
        let mut jobs = Jobs { bell: Arc::new(Bell::default()), threads: Vec::new() };
        let signing = app.clone();
        jobs.every(SIGN_EVERY, "sign", move || signing.signer.sign(&signing.log()).map(drop).map_err(|e| e.to_string()))?;
        let witnesses = Witnesses::of(app);
        if !witnesses.is_empty() {
            let asking = app.clone();
            jobs.every(WITNESS_EVERY, "witness", move || witnesses.turn(&asking))?;
        }
        let beating = app.clone();
        jobs.every(HEARTBEAT_EVERY, "heartbeat", move || heartbeat(&beating).map_err(|e| e.to_string()))?;
        let mail = app.clone();
        if !mailer.is_off() {
            let mut waiter = Waiter::new(&app.db, Channel::Mail);
            let bell = jobs.bell.clone();
            let work = move || {
                let sign = || mail.signer.sign(&mail.log()).map(drop);
                let done = deliver_due(&mail.db, &mail.log(), &mailer, &mail.config, &mail.clock, &sign);
                done.map(drop).map_err(|e| e.to_string())
            };
            let mut wait = move |bell: &Bell| {
                waiter.wait(MAIL_EVERY, MAIL_ANYWAY, || bell.is_over());
                !bell.is_over()
            };
            jobs.in_turn("mail", work, move |_| wait(&bell))?;
        }
        let overdue = app.clone();
        jobs.every(GRACE_EVERY, "grace", move || {
            let (log, now) = (overdue.log(), overdue.clock.now());
            let raised = grace::raise_overdue(&overdue.db, &log, &overdue.calendar, &overdue.config, now);
            raised.map(drop).map_err(|e| e.to_string())
        })?;
        jobs.forward(app)?;
        jobs.capture(app)?;
        let (proposals, announcer) = (app.clone(), Announcer::default());
        jobs.every(APPROVALS_EVERY, "approvals", move || {
            let announced = announcer.turn(&proposals).map(drop).map_err(|e| e.to_string());
            carry_out_due(&proposals).map_err(|e| e.to_string()).and(announced)
        })?;
        let (outside, watch) = (app.clone(), AnchorWatch::default());
        jobs.every(ANCHOR_EVERY, "anchors", move || watch.turn(&outside).map(drop).map_err(|e| e.to_string()))?;
        let night = app.clone();
        jobs.every_or(NIGHTLY_EVERY, NIGHTLY_AGAIN, "nightly", move || nightly::night(&night).map_err(|e| e.to_string()))?;
        Ok(jobs)
    }

    /// One thread for each receiver of the log, so that none waits for another.
    fn forward(&mut self, app: &App) -> std::io::Result<()> {
        for settings in &app.config.forward {
            let app = app.clone();
            match Receiver::new(settings) {
                Ok(receiver) => self.every_or(FORWARD_EVERY, FORWARD_AGAIN, "forward", move || {
                    receiver.turn(&app.db, &app.log(), &app.clock).map_err(|e| e.to_string())
                })?,
                Err(error) => tracing::error!(%error, "a receiver of the log is left out until the next start"),
            }
        }
        Ok(())
    }

    /// One thread for each database whose tables are captured.
    fn capture(&mut self, app: &App) -> std::io::Result<()> {
        for settings in &app.config.capture {
            let (app, drainer) = (app.clone(), Drainer::new(app.config.book_name(), settings));
            self.every_or(CAPTURE_EVERY, CAPTURE_AGAIN, "capture", move || drainer.turn(&app).map_err(|e| e.to_string()))?;
        }
        Ok(())
    }

    fn every(
        &mut self,
        pause: Duration,
        name: &'static str,
        work: impl Fn() -> Result<(), String> + Send + 'static,
    ) -> std::io::Result<()> {
        self.every_or(pause, pause, name, work)
    }

    /// Works every `pause`; after each failure in a row the pause is twice as long, up to `longest`.
    fn every_or(
        &mut self,
        pause: Duration,
        longest: Duration,
        name: &'static str,
        work: impl Fn() -> Result<(), String> + Send + 'static,
    ) -> std::io::Result<()> {
        let bell = self.bell.clone();
        let mut next = pause;
        self.in_turn(name, work, move |well| {
            next = if well { pause } else { (next * 2).min(longest) };
            bell.wait(next)
        })
    }

    /// Works and waits in turn until `wait`, told whether the work was done, says that it is over.
    fn in_turn(
        &mut self,
        name: &'static str,
        work: impl Fn() -> Result<(), String> + Send + 'static,
        mut wait: impl FnMut(bool) -> bool + Send + 'static,
    ) -> std::io::Result<()> {
        let run = move || loop {
            let done = work();
            if let Err(error) = &done {
                tracing::warn!(job = name, error, "a job failed; it is tried again");
            }
            if !wait(done.is_ok()) {
                return;
            }
        };
        self.threads.push(std::thread::Builder::new().name(name.into()).spawn(run)?);
        Ok(())
    }
}

/// Says in the log that its writer is there.
fn heartbeat(app: &App) -> Result<(), ActError> {
    let waiting = app.intake().map_or(0, |intake| intake.waiting());
    let body = json!({ "entries_waiting": waiting });
    app.log().append(NewEvent::public("program.heartbeat", body)).map(drop)
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.bell.ring();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
