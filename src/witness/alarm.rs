//! What a witness tells its own people, by its own mail.

use std::collections::BTreeSet;

use crate::clock::{Clock, MINUTE};
use crate::notify::messages::Letter;
use crate::notify::{Answer, Mailer};

use super::Witness;

/// Alarms that may wait to be mailed.
pub(super) const WAITING_MAX: usize = 1_000;

/// Something a log did that it must not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Alarm {
    /// The log.
    pub origin: String,
    /// What it did, as a sentence.
    pub what: String,
}

impl Alarm {
    pub(super) fn shrunk(origin: &str, had: u64, has: u64) -> Alarm {
        let what = format!("The log signed {has} leaves after {had}: it has shrunk, or an older copy is in use.");
        Alarm { origin: origin.to_owned(), what }
    }

    pub(super) fn forked(origin: &str, size: u64) -> Alarm {
        let what = format!("The log signed two different roots of {size} leaves: it has forked, or was rewritten.");
        Alarm { origin: origin.to_owned(), what }
    }

    pub(super) fn not_extended(origin: &str, had: u64, has: u64) -> Alarm {
        let what = format!("The log of {has} leaves does not extend the {had} leaves seen before: it was rewritten.");
        Alarm { origin: origin.to_owned(), what }
    }

    fn silent(origin: &str, minutes: i64) -> Alarm {
        let what = format!("The log has sent no checkpoint for {minutes} minutes.");
        Alarm { origin: origin.to_owned(), what }
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
        self.unsent.extend(witness.take_alarms());
        for (origin, at) in witness.last_seen() {
            let quiet = (now - at.map_or(self.since, |at| at.0)) / MINUTE;
            if quiet < self.silence_minutes {
                self.told.remove(&origin);
            } else if self.told.insert(origin.clone()) {
                self.unsent.push(Alarm::silent(&origin, quiet));
            }
        }
        self.unsent.truncate(WAITING_MAX);
        if !self.unsent.is_empty() && self.mail() {
            self.unsent.clear();
        }
        self.unsent.len()
    }

    fn mail(&self) -> bool {
        if self.mailer.is_off() || self.to.is_empty() {
            // There is nobody to tell but the program's own log.
            self.unsent.iter().for_each(|alarm| tracing::error!(log = alarm.origin, "{}", alarm.what));
            return true;
        }
        let lines: String = self.unsent.iter().map(|a| format!("{}\n  {}\n\n", a.origin, a.what)).collect();
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
