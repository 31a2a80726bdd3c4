//! Leading and standing by: takes the lease when it falls free, starts what only a leader does, and ends it when
//! another process has taken over.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::app::{App, Inbox};
use crate::intake::StartError;
use crate::notify::Mailer;

use super::{Bell, Jobs};

/// How often it is looked whether the lease is free, or still ours.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What only the leader runs.
struct Leading {
    _jobs: Jobs,
    _inbox: Inbox,
}

/// Leads or stands by, as long as this lives.
pub struct Duty {
    bell: Arc<Bell>,
    thread: Option<JoinHandle<()>>,
}

impl Duty {
    /// Begins; `app` leads or stands by already. `url` is where it answers.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(app: &App, mailer: Mailer, url: String) -> std::io::Result<Duty> {
        let mailer = Arc::new(mailer);
        let bell = Arc::new(Bell::default());
        let mut leading = match app.stands_by() {
            None => Some(begin(app, &mailer, &url)?),
            Some(by) => {
                tracing::info!("{by}");
                None
            }
        };
        let (app, rung) = (app.clone(), bell.clone());
        let work = move || {
            let mut free = None;
            while rung.wait(LOOK_EVERY) {
                leading = turn(&app, &mailer, &url, leading.take(), &mut free);
            }
        };
        let thread = std::thread::Builder::new().name("duty".into()).spawn(work)?;
        Ok(Duty { bell, thread: Some(thread) })
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        self.bell.ring();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn begin(app: &App, mailer: &Arc<Mailer>, url: &str) -> std::io::Result<Leading> {
    app.answer_at(url.to_owned());
    Ok(Leading { _inbox: Inbox::open(app.clone())?, _jobs: Jobs::start(app, mailer.clone())? })
}

/// Whether the lease, if it is free, has been so for as long as this instance leaves it to others; `free` is since when.
fn may_lead(app: &App, free: &mut Option<Instant>) -> bool {
    let after = Duration::from_secs(app.config.database.lead_after_seconds.into());
    if after.is_zero() {
        return true;
    }
    // Taken and let go at once: it shows that nobody has it.
    let Ok(Some(_)) = app.db.lease() else {
        *free = None;
        return false;
    };
    free.get_or_insert_with(Instant::now).elapsed() >= after
}

/// One look: answers what this process runs as the leader from now on.
fn turn(app: &App, mailer: &Arc<Mailer>, url: &str, leading: Option<Leading>, free: &mut Option<Instant>) -> Option<Leading> {
    if let Some(leading) = leading {
        if app.leads() {
            return Some(leading);
        }
        tracing::warn!("another process leads now: this one stands by");
        app.step_down();
        drop(leading);
        return None;
    }
    if !may_lead(app, free) {
        app.look_for_leader();
        return None;
    }
    match app.lead() {
        Ok(()) => {
            tracing::warn!("this process leads now");
            let begun = begin(app, mailer, url);
            begun.map_err(|error| tracing::error!(%error, "what the leader runs could not be started")).ok()
        }
        Err(StartError::Held) => {
            app.look_for_leader();
            None
        }
        Err(error) => {
            tracing::error!(%error, "this process cannot take over; it is tried again");
            app.look_for_leader();
            None
        }
    }
}
