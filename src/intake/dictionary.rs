//! Interned values: what many entries share is an event once, and its `seq` is its id.

use std::hash::BuildHasher;

use counterfoil_verify::TooLong;
use foldhash::fast::RandomState;
use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::clock::{Clock, DAY, Moment};
use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::ledger::Context;
use crate::ledger::store::{self, AccountRow, ContextRow, DeliveryRow};
use crate::trail::store::{EventPartRow, EventRow};
use crate::trail::{NewEvent, Tail};

use super::Delivery;
use super::batch::Batch;
use super::maps::Map;

/// Contexts and deliveries kept in memory each; beyond it those already committed are let go.
const KEPT_MAX: usize = 200_000;

/// Contexts and deliveries by a digest of their content: contexts, asked with every entry, by one
/// of this process, deliveries by the one that is stored.
#[derive(Default)]
pub(super) struct Dictionary {
    hasher: RandomState,
    contexts: Map<u64, (Seq, Seq, Context)>,
    deliveries: Map<i64, (Seq, Seq, Delivery)>,
}

/// The end of the log while a batch is evaluated, and the batch.
pub(super) struct Growing<'a> {
    pub tail: &'a mut Tail,
    pub clock: &'a Clock,
    pub batch: &'a mut Batch,
}

impl Growing<'_> {
    /// Appends an event to the open batch.
    pub fn append(&mut self, event: &NewEvent) -> DbResult<Seq> {
        let sealed = self.tail.seal_event(self.clock, event);
        self.keep(sealed)
    }

    /// Appends a definition, of which there can be as many as entries: written as text at once.
    fn define(&mut self, kind: &'static str, body: String, private: &impl Serialize) -> DbResult<Seq> {
        let private = serde_json::to_string(private).map_err(|e| DbError::Corrupt(e.to_string()))?;
        let sealed = self.tail.seal_text(self.clock, kind, body, Some(private));
        self.keep(sealed)
    }

    fn keep(&mut self, sealed: Result<(EventRow, Option<EventPartRow>), TooLong>) -> DbResult<Seq> {
        let (row, part) = sealed.map_err(|e| DbError::Corrupt(format!("an event is too large: {e}")))?;
        let seq = row.seq;
        self.batch.events.push(row);
        self.batch.event_parts.extend(part);
        Ok(seq)
    }

    /// Defines an account; its id is the event's place.
    pub fn define_account(&mut self, source: Seq, number: &str, currency: &'static str) -> DbResult<AccountRow> {
        let body = format!(r#"{{"source":{source},"currency":"{currency}"}}"#);
        let id = self.define("account.defined", body, &AccountText { account: number })?;
        let created_at = self.tail.recorded_at().0;
        let row = AccountRow { id, source, number: number.to_owned(), currency: currency.to_owned(), created_at };
        self.batch.accounts.push(row.clone());
        Ok(row)
    }
}

impl Dictionary {
    /// The id of a context, defining it if it is new.
    pub fn context(&mut self, to: &mut Growing<'_>, conn: &mut Conn, source: Seq, context: &Context) -> DbResult<Seq> {
        if let Some(id) = self.find(source, context) {
            return Ok(id);
        }
        let fingerprint = context_fingerprint(source, context);
        let stored = store::contexts_by_fingerprint(conn, fingerprint)?;
        let same = stored.into_iter().find(|row| row.source == source && row.context() == *context);
        let id = match same {
            Some(row) => row.id,
            None => define_context(to, source, context, fingerprint)?,
        };
        self.learn(id, source, context);
        Ok(id)
    }

    /// The id of a context, if it is in memory.
    pub fn find(&self, source: Seq, context: &Context) -> Option<Seq> {
        let (id, of, kept) = self.contexts.get(&self.hasher.hash_one((source, context)))?;
        (*of == source && kept == context).then_some(*id)
    }

    /// Keeps a context in memory.
    pub fn learn(&mut self, id: Seq, source: Seq, context: &Context) {
        self.contexts.insert(self.hasher.hash_one((source, context)), (id, source, context.clone()));
    }

    /// The id of a delivery: one per key, address or file, and day.
    pub fn delivery(&mut self, to: &mut Growing<'_>, conn: &mut Conn, source: Seq, delivery: &Delivery) -> DbResult<Seq> {
        let today = to.tail.recorded_at().0.div_euclid(DAY);
        let fingerprint = delivery_fingerprint(source, delivery, today);
        if let Some((id, of, kept)) = self.deliveries.get(&fingerprint)
            && *of == source
            && kept == delivery
        {
            return Ok(*id);
        }
        let same = |row: &DeliveryRow| {
            let same_day = Moment(row.started_at).0.div_euclid(DAY) == today;
            let (kind, origin) = (row.kind == delivery.kind.text(), row.origin == delivery.origin);
            row.source == source && kind && origin && row.api_key == delivery.api_key && same_day
        };
        let stored = store::deliveries_by_fingerprint(conn, fingerprint)?;
        let id = match stored.into_iter().find(same) {
            Some(row) => row.id,
            None => define_delivery(to, source, delivery, fingerprint)?,
        };
        self.deliveries.insert(fingerprint, (id, source, delivery.clone()));
        Ok(id)
    }

    /// Lets every context go: what is stored decides again.
    pub fn forget_contexts(&mut self) {
        self.contexts.clear();
    }

    /// Lets go of what is committed, if there is too much.
    pub fn trim(&mut self, committed: Seq) {
        if self.contexts.len() > KEPT_MAX {
            self.contexts.retain(|_, (id, ..)| *id >= committed);
        }
        if self.deliveries.len() > KEPT_MAX {
            self.deliveries.retain(|_, (id, ..)| *id >= committed);
        }
    }
}

/// The private part of `account.defined`.
#[derive(Serialize)]
struct AccountText<'a> {
    account: &'a str,
}

/// The private part of `context.defined`: what is present.
#[derive(Serialize)]
struct ContextText<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    session_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_agent: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    actor_kind: Option<&'static str>,
}

fn define_context(to: &mut Growing<'_>, source: Seq, context: &Context, fingerprint: i64) -> DbResult<Seq> {
    let private = ContextText {
        session_id: context.session_id.as_deref(),
        ip: context.ip.as_deref(),
        user_agent: context.user_agent.as_deref(),
        device_id: context.device_id.as_deref(),
        actor: context.actor.as_deref(),
        actor_kind: context.actor_kind.map(crate::ledger::ActorKind::text),
    };
    let id = to.define("context.defined", format!(r#"{{"source":{source}}}"#), &private)?;
    let context = context.clone();
    to.batch.contexts.push(ContextRow {
        id,
        source,
        session_id: context.session_id,
        ip: context.ip,
        user_agent: context.user_agent,
        device_id: context.device_id,
        actor: context.actor,
        actor_kind: context.actor_kind.map(crate::ledger::ActorKind::code),
        fingerprint,
    });
    Ok(id)
}

fn define_delivery(to: &mut Growing<'_>, source: Seq, delivery: &Delivery, fingerprint: i64) -> DbResult<Seq> {
    let body = json!({ "source": source, "kind": delivery.kind.text(), "key": delivery.api_key });
    let event = match &delivery.origin {
        Some(origin) => NewEvent::with_private("delivery.defined", body, json!({ "origin": origin })),
        None => NewEvent::public("delivery.defined", body),
    };
    let id = to.append(&event)?;
    let (kind, started_at) = (delivery.kind.text().to_owned(), to.tail.recorded_at().0);
    let (api_key, origin) = (delivery.api_key, delivery.origin.clone());
    to.batch.deliveries.push(DeliveryRow { id, source, kind, api_key, origin, started_at, fingerprint });
    Ok(id)
}

/// By which a context is found again.
pub fn context_fingerprint(source: Seq, context: &Context) -> i64 {
    let mut digest = Sha256::new_with_prefix(source.to_be_bytes());
    let texts = [&context.session_id, &context.ip, &context.user_agent, &context.device_id, &context.actor];
    for text in texts {
        absorb(&mut digest, text.as_deref());
    }
    absorb(&mut digest, context.actor_kind.map(crate::ledger::ActorKind::text));
    short(digest)
}

/// By which a delivery of a day (whole days since 1970 UTC) is found again.
pub fn delivery_fingerprint(source: Seq, delivery: &Delivery, day: i64) -> i64 {
    let mut digest = Sha256::new_with_prefix(source.to_be_bytes());
    digest.update(day.to_be_bytes());
    digest.update(delivery.api_key.unwrap_or(-1).to_be_bytes());
    absorb(&mut digest, Some(delivery.kind.text()));
    absorb(&mut digest, delivery.origin.as_deref());
    short(digest)
}

fn absorb(digest: &mut Sha256, text: Option<&str>) {
    match text {
        None => digest.update(u64::MAX.to_be_bytes()),
        Some(text) => {
            digest.update((text.len() as u64).to_be_bytes());
            digest.update(text);
        }
    }
}

fn short(digest: Sha256) -> i64 {
    let mut first = [0; 8];
    first.copy_from_slice(&digest.finalize()[..8]);
    i64::from_be_bytes(first)
}
