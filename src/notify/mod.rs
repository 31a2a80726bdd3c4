//! Mail that is owed, and its delivery.
//!
//! A mail is a row of the outbox per recipient ([`store::owed_rows`]), written in the transaction of
//! what it reports. A worker ([`deliver_due`]) makes up mails from the rows that wait, hands them to
//! the relay and records the result as an event.
//!
//! Invariants: a row leaves the outbox only as sent or visibly dead ([`letters`]), and a dead one waits again only by
//! an event; rows once made up into one mail
//! stay together under one Message-ID through every retry; no transaction is open while the relay is
//! spoken to; a mail that the relay is known to have taken is not sent again, and one whose fate
//! is unknown (a crash, a dropped connection) is, under the same Message-ID. Nothing personal is in
//! any mail but the address it goes to: reference, severity, rule family, masked account, business
//! date, counts and a link, nothing else.
//!
//! Not here: who is owed mail and when (`intake`, `reports`, `import` write the rows), what runs the
//! worker (`jobs`).

mod group;
pub mod letters;
mod mailer;
pub mod messages;
pub mod store;
mod worker;

pub use group::{GROUP_WINDOW, TRIES_MAX, WAIT_MAX};
pub use mailer::{Answer, Mailer, MailerError};
pub use worker::{DeliverError, Delivered, deliver_due};

use crate::ids::Seq;

/// Recipients of one event at most: what the numbering of the outbox has room for.
pub const RECIPIENTS_MAX: usize = 64;

/// What a mail is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MailKind {
    /// Alerts to review; about: the alert.
    Alert,
    /// A daily report was stored; about: the event that stored it.
    Report,
    /// An import of history ended; about: its event.
    History,
    /// Something to hear of: other settings, no checkpoint from outside, a proposal; about: its event.
    Notice,
}

impl MailKind {
    /// All there are.
    pub const ALL: [MailKind; 4] = [MailKind::Alert, MailKind::Report, MailKind::History, MailKind::Notice];

    /// As stored.
    pub fn text(self) -> &'static str {
        match self {
            MailKind::Alert => "alert",
            MailKind::Report => "report",
            MailKind::History => "history",
            MailKind::Notice => "notice",
        }
    }

    /// From its stored text.
    pub fn parse(text: &str) -> Option<MailKind> {
        MailKind::ALL.into_iter().find(|kind| kind.text() == text)
    }
}

/// The id of the outbox row that owes recipient number `index` (from 0, less than
/// [`RECIPIENTS_MAX`]) a mail about the event at `about`. So ids follow from the log alone.
pub fn outbox_id(about: Seq, index: usize) -> i64 {
    about * RECIPIENTS_MAX as i64 + index.min(RECIPIENTS_MAX - 1) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outbox_ids_follow_from_the_event_and_never_meet() {
        assert_eq!(outbox_id(0, 0), 0);
        assert_eq!(outbox_id(0, 63) + 1, outbox_id(1, 0));
        assert_eq!(outbox_id(7, 2), 450);
    }

    #[test]
    fn kinds_are_read_back_as_stored() {
        for kind in MailKind::ALL {
            assert_eq!(MailKind::parse(kind.text()), Some(kind));
        }
        assert_eq!(MailKind::parse("Alert"), None);
    }
}
