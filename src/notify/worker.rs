//! Delivery: one pass over what is owed and due.

use serde_json::json;

use crate::clock::{Clock, Moment};
use crate::config::Config;
use crate::db::{Conn, Db, DbError, DbResult};
use crate::detect::Severity;
use crate::ledger::BusinessCalendar;
use crate::trail::{ActError, Log, NewEvent};

use super::MailKind;
use super::group::{self, Decision};
use super::letters::masked;
use super::mailer::{Answer, Mailer};
use super::messages::{self, Envelope, Frame, LISTED_MAX, Letter};
use super::store::{self, MadeUp, ROWS_PER_EVENT};

/// Mails tried in one pass, so that the caller can look up between passes.
const MAILS_PER_PASS: i64 = 20;

/// What a pass did; counts are mails, not rows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    /// Taken by the relay.
    pub sent: usize,
    /// Failed, to be tried again.
    pub failed: usize,
    /// Given up.
    pub dead: usize,
    /// When there is something to do next, if nothing new is owed until then; may be past.
    pub next_due: Option<Moment>,
}

/// Why a pass could not go on. What it had done stays done; the next pass goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum DeliverError {
    /// The database could not be read.
    #[error("the outbox cannot be read: {0}")]
    Db(#[from] DbError),
    /// A result could not be recorded.
    #[error("the result of a mail cannot be recorded: {0}")]
    Act(#[from] ActError),
}

/// Makes up the mails that may leave, tries those that are due and records what became of them.
/// Blocks while it speaks with the relay, without any open transaction. To be called every second or
/// so, by one worker at a time, from a blocking thread. Ends early when the relay cannot be reached.
///
/// `sign` makes a checkpoint of everything committed before it is called: each mail carries one that
/// covers what it reports.
pub fn deliver_due(
    db: &Db,
    log: &Log,
    mailer: &Mailer,
    config: &Config,
    clock: &Clock,
    sign: &dyn Fn() -> Result<(), ActError>,
) -> Result<Delivered, DeliverError> {
    let mut done = Delivered::default();
    if mailer.is_off() {
        return Ok(done);
    }
    let now = clock.now();
    let waiting = db.read(|conn| store::waiting(conn, now))?;
    if waiting.iter().any(|group| matches!(group.decision, Decision::Leave(_))) {
        let domain = mailer.domain().to_owned();
        log.side(move |conn| store::make_up(conn, now, &domain))?;
    }
    let due = db.read(|conn| store::due(conn, now, MAILS_PER_PASS))?;
    if !due.is_empty() {
        sign()?;
    }
    for mail in due {
        let answer = match db.read(|conn| write(conn, config, &mail, clock.now()))? {
            Ok(letter) => mailer.send(&letter),
            // It ends visibly, instead of holding up the mails behind it for ever.
            Err(reason) => Answer::Permanent(reason),
        };
        let reachable = !matches!(answer, Answer::Unreachable(_));
        settle(log, mailer, config, clock, mail, answer, &mut done)?;
        if !reachable {
            break;
        }
    }
    done.next_due = db.read(|conn| next_due(conn, clock.now()))?;
    Ok(done)
}

fn next_due(conn: &mut Conn, now: Moment) -> DbResult<Option<Moment>> {
    let held = store::waiting(conn, now)?.into_iter().map(|group| match group.decision {
        Decision::Leave(_) => now,
        Decision::Hold(until) => until,
    });
    Ok(held.chain(store::next_try(conn)?).min())
}

/// Renders a mail from the facts as they stand; the inner error says why that can never be.
fn write(conn: &mut Conn, config: &Config, mail: &MadeUp, date: Moment) -> DbResult<Result<Letter, String>> {
    let checkpoint = messages::store::checkpoint(conn)?;
    let frame = Frame { bank: config.bank.name.clone(), public_url: config.public_url(), checkpoint };
    let to = Envelope { message_id: mail.message_id.clone(), recipient: mail.recipient.clone(), date };
    let (total, limit) = (usize::try_from(mail.rows).unwrap_or_default(), LISTED_MAX as i64);
    let id = mail.message_id.as_str();
    let letter = match MailKind::parse(&mail.kind) {
        Some(MailKind::Alert) => {
            let gravest = Severity::from_code(mail.severity).unwrap_or(Severity::Critical);
            let calendar = BusinessCalendar::new(&config.bank);
            messages::alerts(&frame, to, gravest, &messages::store::alerts_of(conn, &calendar, id, limit)?, total)
        }
        Some(MailKind::Report) => messages::reports(&frame, to, &messages::store::reports_of(conn, id, limit)?, total),
        Some(MailKind::History) => messages::histories(&frame, to, &messages::store::histories_of(conn, id, limit)?, total),
        Some(MailKind::Notice) => messages::notices(&frame, to, &messages::store::notices_of(conn, id, limit)?, total),
        None => return Ok(Err(format!("the outbox holds the unknown kind `{}`; run `counterfoil verify`", mail.kind))),
    };
    Ok(letter.map_err(|error| format!("the mail cannot be written: {error}")))
}

/// Records what became of a try, with the state of the mail's rows, in one act.
fn settle(
    log: &Log,
    mailer: &Mailer,
    config: &Config,
    clock: &Clock,
    mail: MadeUp,
    answer: Answer,
    done: &mut Delivered,
) -> Result<(), DeliverError> {
    let tries = mail.attempts.saturating_add(1);
    match answer {
        Answer::Accepted(reply) => {
            let message_id = mail.message_id.clone();
            end(log, mail, tries, reply, false)?;
            mailer.recorded(&message_id);
            done.sent += 1;
        }
        Answer::Permanent(reason) => {
            tracing::error!(
                kind = mail.kind,
                tries,
                reason = masked(&reason),
                "a mail was refused for good; see the dead letters"
            );
            end(log, mail, tries, reason, true)?;
            done.dead += 1;
        }
        Answer::Temporary(reason) | Answer::Unreachable(reason) => {
            let chance = u16::from_be_bytes(clock.random());
            match group::next_wait(tries.unsigned_abs(), config.mail.attempts, chance) {
                Some(wait) => {
                    tracing::warn!(
                        kind = mail.kind,
                        tries,
                        retry_in_seconds = wait / crate::clock::SECOND,
                        reason = masked(&reason),
                        "a mail was not delivered"
                    );
                    let not_before = clock.now().plus(wait);
                    log.side(move |conn| store::put_off(conn, &mail.message_id, tries, not_before, &reason))?;
                    done.failed += 1;
                }
                None => {
                    tracing::error!(
                        kind = mail.kind,
                        tries,
                        reason = masked(&reason),
                        "a mail was tried for the last time; see the dead letters"
                    );
                    end(log, mail, tries, reason, true)?;
                    done.dead += 1;
                }
            }
        }
    }
    Ok(())
}

/// Appends `mail.sent` or `mail.dead`, as often as it takes to name every row, and ends the rows.
fn end(log: &Log, mail: MadeUp, tries: i32, reply: String, dead: bool) -> Result<(), ActError> {
    log.act(move |tx| {
        let rows = store::rows_of(tx.conn, &mail.message_id)?;
        if rows.is_empty() {
            // Another worker has recorded it meanwhile.
            return Ok(());
        }
        for named in rows.chunks(ROWS_PER_EVENT) {
            let mut body = json!({
                "kind": mail.kind, "message_id": mail.message_id, "attempt": tries, "count": named.len(), "outbox": named,
            });
            if named.len() < rows.len() {
                body["of"] = json!(rows.len());
            }
            let private = json!({ "recipient": mail.recipient, "reply": reply });
            tx.append(NewEvent::with_private(if dead { "mail.dead" } else { "mail.sent" }, body, private))?;
        }
        let at = tx.now();
        store::finish(tx.conn, &mail.message_id, tries, at, dead.then_some(reply.as_str()))?;
        Ok(())
    })
}
