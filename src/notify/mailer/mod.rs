//! Handing a mail over: to an SMTP relay, or into a folder.

mod address;
mod folder;
mod relay;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lettre::Address;
use lettre::message::Mailbox;

use crate::config;

use super::RECIPIENTS_MAX;
use super::messages::Letter;
use address::MailUrl;
use folder::Folder;
use relay::Relay;

/// Mails taken by the relay whose result may wait to be recorded.
const UNRECORDED_MAX: usize = 1_000;
/// A reply longer than this many characters is cut.
const REPLY_CHARS_MAX: usize = 400;

/// What is wrong with the settings of `mail`.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MailerError {
    /// `mail.url` is not understood.
    #[error("mail.url: {0}")]
    Url(String),
    /// `mail.from`, or a recipient, is no address.
    #[error("{key}: `{text}` is not a mail address; write name@bank.example in ASCII (a domain in its xn-- form)")]
    Address {
        /// The key of the setting.
        key: &'static str,
        /// What stands there.
        text: String,
    },
    /// More recipients than an event has places for.
    #[error("{key}: at most {RECIPIENTS_MAX} recipients; use a distribution list of the mail system for more")]
    TooMany {
        /// The key of the setting.
        key: &'static str,
    },
    /// A recipient who would get everything twice.
    #[error("{key}: `{text}` is named twice")]
    Twice {
        /// The key of the setting.
        key: &'static str,
        /// What stands there again.
        text: String,
    },
    /// The private root certificates cannot be used.
    #[error("mail.ca_file {0}: {1}; it must hold one or more certificates in PEM")]
    Ca(PathBuf, String),
    /// The folder cannot be used.
    #[error("mail.url: the folder {0} cannot be used: {1}")]
    Folder(PathBuf, String),
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Taken by the relay, which is not yet read by a person; with its reply.
    Accepted(String),
    /// Not now (4xx, a time-out, a lost connection): try again later.
    Temporary(String),
    /// No conversation about a mail came about (no connection, no TLS, no login): any other mail
    /// would have fared the same.
    Unreachable(String),
    /// Never (5xx): trying again is useless.
    Permanent(String),
}

/// Hands mails over. Blocks: call it from a blocking thread.
pub struct Mailer {
    from: Mailbox,
    way: Way,
    /// Message-ID and reply of what the relay took and nobody has recorded yet, so that a failing
    /// database does not make us send again what we know to be sent.
    unrecorded: Mutex<BTreeMap<String, String>>,
}

enum Way {
    Off,
    Folder(Folder),
    Relay(Box<Relay>),
}

impl Mailer {
    /// From the settings; reads the private root certificates and makes the folder.
    pub fn from_config(mail: &config::Mail) -> Result<Mailer, MailerError> {
        let url = MailUrl::parse(&mail.url)?;
        let from = match (&url, mail.from.trim()) {
            (MailUrl::Off, "") => mailbox("mail.from", &config::Mail::default().from)?,
            (_, from) => mailbox("mail.from", from)?,
        };
        check_recipients("mail.alerts_to", &mail.alerts_to)?;
        check_recipients("mail.reports_to", &mail.reports_to)?;
        let way = match url {
            MailUrl::Off => Way::Off,
            MailUrl::Folder(path) => Way::Folder(Folder::open(path)?),
            MailUrl::Relay(url) => Way::Relay(Box::new(Relay::new(url, mail)?)),
        };
        Ok(Mailer { from, way, unrecorded: Mutex::new(BTreeMap::new()) })
    }

    /// Whether there is nowhere to send to, so that what is owed waits.
    pub fn is_off(&self) -> bool {
        matches!(self.way, Way::Off)
    }

    /// The domain of the sender, which Message-IDs end with.
    pub fn domain(&self) -> &str {
        self.from.email.domain()
    }

    /// Hands `letter` over, unless it was taken before and [`Mailer::recorded`] has not been called
    /// for it: then the first reply is given again.
    pub fn send(&self, letter: &Letter) -> Answer {
        if let Some(reply) = self.unrecorded().get(&letter.message_id) {
            return Answer::Accepted(reply.clone());
        }
        let answer = match self.hand_over(letter) {
            Answer::Accepted(reply) => Answer::Accepted(one_line(&reply)),
            Answer::Temporary(reason) => Answer::Temporary(one_line(&reason)),
            Answer::Unreachable(reason) => Answer::Unreachable(one_line(&reason)),
            Answer::Permanent(reason) => Answer::Permanent(one_line(&reason)),
        };
        if let Answer::Accepted(reply) = &answer {
            let mut unrecorded = self.unrecorded();
            if unrecorded.len() >= UNRECORDED_MAX {
                unrecorded.pop_first();
            }
            unrecorded.insert(letter.message_id.clone(), reply.clone());
        }
        answer
    }

    /// The result of this mail is in the log: it need not be remembered.
    pub fn recorded(&self, message_id: &str) {
        self.unrecorded().remove(message_id);
    }

    fn hand_over(&self, letter: &Letter) -> Answer {
        let Ok(to) = mailbox("recipient", &letter.recipient) else {
            return Answer::Permanent("the recipient is not a mail address".to_owned());
        };
        let recipient = to.email.clone();
        let raw = match letter.formatted(self.from.clone(), to) {
            Ok(raw) => raw,
            Err(error) => return Answer::Permanent(format!("the mail cannot be written: {error}")),
        };
        match &self.way {
            Way::Off => Answer::Unreachable("mail.url is not set".to_owned()),
            Way::Folder(folder) => folder.keep(letter, &raw),
            Way::Relay(relay) => relay.send(&self.from.email, &recipient, &raw),
        }
    }

    fn unrecorded(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.unrecorded.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn check_recipients(key: &'static str, list: &[String]) -> Result<(), MailerError> {
    if list.len() > RECIPIENTS_MAX {
        return Err(MailerError::TooMany { key });
    }
    let mut seen = BTreeSet::new();
    for text in list {
        if !seen.insert(mailbox(key, text)?.email.to_string().to_lowercase()) {
            return Err(MailerError::Twice { key, text: text.clone() });
        }
    }
    Ok(())
}

fn mailbox(key: &'static str, text: &str) -> Result<Mailbox, MailerError> {
    let mailbox: Option<Mailbox> = text.trim().parse().ok();
    let ascii = |address: &Address| address.to_string().is_ascii();
    mailbox.filter(|m| ascii(&m.email)).ok_or_else(|| MailerError::Address { key, text: text.to_owned() })
}

fn one_line(text: &str) -> String {
    let plain = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    plain.take(REPLY_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(change: impl FnOnce(&mut config::Mail)) -> Result<Mailer, MailerError> {
        let mut mail = config::Mail { url: "smtp://relay.bank.example".into(), ..config::Mail::default() };
        change(&mut mail);
        Mailer::from_config(&mail)
    }

    #[test]
    fn the_default_settings_are_no_mail() {
        let mailer = Mailer::from_config(&config::Mail::default());
        assert!(mailer.is_ok_and(|m| m.is_off() && m.domain() == "localhost"));
        assert!(settings(|m| (m.url, m.from) = Default::default()).is_ok_and(|m| m.is_off()));
    }

    #[test]
    fn wrong_settings_name_their_key() {
        let told = |change: fn(&mut config::Mail)| settings(change).err().map(|e| e.to_string()).unwrap_or_default();
        assert!(told(|m| m.from = "nobody".into()).starts_with("mail.from: `nobody`"));
        assert!(told(|m| m.alerts_to = vec!["a@bank.example".into(), "b@".into()]).starts_with("mail.alerts_to: `b@`"));
        assert!(told(|m| m.reports_to = vec!["ä@bank.example".into()]).starts_with("mail.reports_to"));
        assert!(told(|m| m.alerts_to = vec!["a@bank.example".into(); 65]).starts_with("mail.alerts_to: at most 64"));
        let twice = vec!["a@bank.example".into(), "Officer <A@bank.example>".into()];
        let twice = settings(|m| m.alerts_to = twice).err();
        assert!(matches!(twice, Some(MailerError::Twice { key: "mail.alerts_to", .. })), "{twice:?}");
        assert!(told(|m| m.ca_file = "/nowhere/ca.pem".into()).starts_with("mail.ca_file /nowhere/ca.pem"));
        assert!(told(|m| m.url = "ftp://x".into()).starts_with("mail.url"));
        assert!(settings(|m| m.alerts_to = vec!["Officers <aml@bank.example>".into()]).is_ok());
    }

    #[test]
    fn replies_become_one_bounded_line() {
        assert_eq!(one_line("250 a\r\n250 b\n"), "250 a  250 b");
        assert_eq!(one_line(&"x".repeat(9_999)).len(), REPLY_CHARS_MAX);
    }
}
