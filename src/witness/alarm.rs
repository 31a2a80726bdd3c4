//! What a witness tells its own people, by its own mail.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::clock::{Clock, MINUTE};
use crate::notify::messages::Letter;
use crate::notify::{Answer, Mailer};

use super::Witness;

/// What a log did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Wrong {
    Shrunk,
    Forked,
    Rewritten,
    Silent,
}

/// Something a log did that it must not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alarm {
    /// The log.
    pub origin: String,
    /// What it did, as a sentence.
    pub what: String,
    /// The file that holds the note by which it did.
    pub note: Option<String>,
    pub(super) wrong: Wrong,
    /// Whether somebody was told.
    pub(super) told: bool,
}

impl Wrong {
    /// As in the names of files.
    pub(super) fn text(self) -> &'static str {
        match self {
            Wrong::Shrunk => "shrunk",
            Wrong::Forked => "forked",
            Wrong::Rewritten => "rewritten",
            Wrong::Silent => "silent",
        }
    }
}

impl Alarm {
    fn new(wrong: Wrong, origin: &str, what: String) -> Alarm {
        Alarm { origin: origin.to_owned(), what, note: None, wrong, told: false }
    }

    pub(super) fn shrunk(origin: &str, had: u64, has: u64) -> Alarm {
        let what = format!("The log signed {has} leaves after {had}: it has shrunk, or an older copy is in use.");
        Alarm::new(Wrong::Shrunk, origin, what)
    }

    pub(super) fn forked(origin: &str, size: u64) -> Alarm {
        let what = format!("The log signed two different roots of {size} leaves: it has forked, or was rewritten.");
        Alarm::new(Wrong::Forked, origin, what)
    }

    pub(super) fn not_extended(origin: &str, had: u64, has: u64) -> Alarm {
        let what = format!("The log of {has} leaves does not extend the {had} leaves seen before: it was rewritten.");
        Alarm::new(Wrong::Rewritten, origin, what)
    }

    fn silent(origin: &str, minutes: i64) -> Alarm {
        Alarm::new(
            Wrong::Silent,
            origin,
            format!("The log has sent no checkpoint for {minutes} minute{}.", if minutes == 1 { "" } else { "s" }),
        )
    }

    /// Whether it tells of the same: one is enough until the log is signed again.
    pub(super) fn is_like(&self, other: &Alarm) -> bool {
        self.origin == other.origin && self.wrong == other.wrong
    }

    fn paragraph(&self) -> String {
        let kept = self.note.as_ref().map(|path| format!("  The note is kept in {path}\n")).unwrap_or_default();
        format!("{}\n  {}\n{kept}\n", self.origin, self.what)
    }
}

/// Mails alarms, and notices silence.
pub struct Watch {
    mailer: Mailer,
    to: Vec<String>,
    silence_minutes: i64,
    clock: Clock,
    /// Logs whose present silence has been told.
    told: BTreeSet<String>,
    /// Alarms of silence that could not be mailed; those that a note raised are kept in the witness' folder.
    unsent: Vec<Alarm>,
    since: i64,
}

impl Watch {
    /// Tells `to` over `mailer`; a log without a checkpoint for `silence_minutes` is silent.
    pub fn new(mailer: Mailer, to: Vec<String>, silence_minutes: u32, clock: Clock) -> Watch {
        let since = clock.now().0;
        Watch { mailer, to, silence_minutes: silence_minutes.into(), clock, told: BTreeSet::new(), unsent: Vec::new(), since }
    }

    /// One turn: notices silence, and mails what there is to tell. What cannot be mailed is tried again
    /// at the next turn. Answers how many alarms wait.
    pub fn turn(&mut self, witness: &Witness) -> usize {
        let now = self.clock.now().0;
        for (origin, at) in witness.last_seen() {
            let quiet = (now - at.map_or(self.since, |at| at.0)) / MINUTE;
            if quiet < self.silence_minutes {
                self.told.remove(&origin);
            } else if self.told.insert(origin.clone()) {
                let alarm = Alarm::silent(&origin, quiet);
                // Of a silence that could not be told and one after it, the newer is enough.
                self.unsent.retain(|waiting| !waiting.is_like(&alarm));
                self.unsent.push(alarm);
            }
        }
        let raised = witness.untold();
        let alarms: Vec<Alarm> = raised.iter().chain(&self.unsent).cloned().collect();
        if alarms.is_empty() || !self.mail(&alarms) {
            return alarms.len();
        }
        self.unsent.clear();
        witness.told(&raised);
        0
    }

    fn mail(&self, alarms: &[Alarm]) -> bool {
        if self.mailer.is_off() || self.to.is_empty() {
            // There is nobody to tell but the program's own log.
            alarms.iter().for_each(|alarm| tracing::error!(log = alarm.origin, "{}", alarm.what));
            return true;
        }
        let lines: String = alarms.iter().map(Alarm::paragraph).collect();
        let text = format!(
            "The witness has noticed:\n\n{lines}Keep the witness' folder as it is. Ask for `counterfoil verify`, and compare the \
             log's checkpoints with those in your mailbox.\n"
        );
        let html = format!("<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><pre>{}</pre>", escape(&text));
        let sent = |to: &String| {
            let message_id = format!("<{}@{}>", hex::encode(self.clock.random::<16>()), self.mailer.domain());
            let letter = Letter {
                message_id: message_id.clone(),
                recipient: to.clone(),
                subject: "[Witness] A log needs attention".to_owned(),
                text: text.clone(),
                html: html.clone(),
                date: self.clock.now(),
            };
            let answer = self.mailer.send(&letter);
            self.mailer.recorded(&message_id);
            matches!(answer, Answer::Accepted(_))
        };
        // All of them are tried; one who was reached is enough to go on.
        self.to.iter().filter(|to| sent(to)).count() > 0
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
