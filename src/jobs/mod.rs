//! What runs by the clock: mail, overdue breaks, the nightly report, verification.
//!
//! Every job is a function that can be called by hand (`nightly`, `verify`); here they only get
//! their time. A verification notes its outcome in the log and in the table `jobs`: pages read it. A job that fails is tried again at its next turn; none stops another.

mod nightly;
mod witnesses;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

pub use nightly::{NightlyError, verify_and_note};

use serde_json::json;

use crate::alerts::grace;
use crate::app::{App, carry_out_due};
use crate::notify::{Mailer, deliver_due};
use crate::trail::{ActError, NewEvent};

use witnesses::Witnesses;

/// How often the log is signed if it has grown: well within the ten seconds it may take.
const SIGN_EVERY: Duration = Duration::from_secs(1);
/// How often the log says that its writer is there, so that a gap is visible.
const HEARTBEAT_EVERY: Duration = Duration::from_secs(55);
/// How often witnesses are asked to sign.
const WITNESS_EVERY: Duration = Duration::from_secs(60);
/// How often waiting mail is looked for: well within the ten seconds that the first may take.
const MAIL_EVERY: Duration = Duration::from_secs(1);
/// How often overdue breaks are looked for.
const GRACE_EVERY: Duration = Duration::from_secs(10);
/// How often approved proposals are carried out, and those ended whose time is over.
const APPROVALS_EVERY: Duration = Duration::from_secs(5);
/// How often it is checked whether a night is due.
const NIGHTLY_EVERY: Duration = Duration::from_secs(20);

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
    pub fn start(app: &App, mailer: Mailer) -> std::io::Result<Jobs> {
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
            jobs.every(MAIL_EVERY, "mail", move || {
                let sign = || mail.signer.sign(&mail.log()).map(drop);
                let done = deliver_due(&mail.db, &mail.log(), &mailer, &mail.config, &mail.clock, &sign);
                done.map(drop).map_err(|e| e.to_string())
            })?;
        }
        let overdue = app.clone();
        jobs.every(GRACE_EVERY, "grace", move || {
            let (log, now) = (overdue.log(), overdue.clock.now());
            let raised = grace::raise_overdue(&overdue.db, &log, &overdue.calendar, &overdue.config, now);
            raised.map(drop).map_err(|e| e.to_string())
        })?;
        let proposals = app.clone();
        jobs.every(APPROVALS_EVERY, "approvals", move || carry_out_due(&proposals).map_err(|e| e.to_string()))?;
        let night = app.clone();
        jobs.every(NIGHTLY_EVERY, "nightly", move || nightly::due(&night).map_err(|e| e.to_string()))?;
        Ok(jobs)
    }

    fn every(
        &mut self,
        pause: Duration,
        name: &'static str,
        work: impl Fn() -> Result<(), String> + Send + 'static,
    ) -> std::io::Result<()> {
        let bell = self.bell.clone();
        let run = move || loop {
            if let Err(error) = work() {
                tracing::warn!(job = name, error, "a job failed; it is tried again");
            }
            if !bell.wait(pause) {
                return;
            }
        };
        self.threads.push(std::thread::Builder::new().name(name.into()).spawn(run)?);
        Ok(())
    }
}

/// Says in the log that its writer is there.
fn heartbeat(app: &App) -> Result<(), ActError> {
    let body = json!({ "entries_waiting": app.intake.waiting() });
    app.log().append(NewEvent::public("program.heartbeat", body)).map(drop)
}

impl Drop for Jobs {
    fn drop(&mut self) {
        self.bell.stop.store(true, Ordering::Release);
        self.bell.rung.notify_all();
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
