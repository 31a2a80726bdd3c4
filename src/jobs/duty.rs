//! Leading and standing by: takes the lease when it falls free, starts what only a leader does, and ends it when
//! another process has taken over.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

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
            while rung.wait(LOOK_EVERY) {
                leading = turn(&app, &mailer, &url, leading.take());
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

/// One look: answers what this process runs as the leader from now on.
fn turn(app: &App, mailer: &Arc<Mailer>, url: &str, leading: Option<Leading>) -> Option<Leading> {
    if let Some(leading) = leading {
        if app.leads() {
            return Some(leading);
        }
        tracing::warn!("another process leads now: this one stands by");
        app.step_down();
        drop(leading);
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
