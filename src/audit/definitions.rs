//! L4: sources, accounts, contexts, deliveries and rule sets against the events that defined them.
//!
//! The id of such a row is the place of its event, so both lie in the same slice. What only an
//! index needs (fingerprints) follows from the rest of the row. Where a private part was erased, the
//! row must hold nothing of it any more; where it is gone otherwise, that is a finding of its own.

use serde::Deserialize;
use serde_json::Value;

use crate::clock::DAY;
use crate::ids::{Seq, erased_number};
use crate::intake::{Delivery, DeliveryKind, context_fingerprint, delivery_fingerprint};
use crate::ledger::ActorKind;
use crate::ledger::store::{AccountRow, ContextRow, DeliveryRow, SourceRow};
use crate::trail::store::{EventPartRow, EventRow};

use super::L4;
use super::erased::Erased;
use super::findings::Findings;
use super::store::{RuleSetRow, Slice};

/// An event with its private part.
#[derive(Clone, Copy)]
struct Definition<'a> {
    event: &'a EventRow,
    part: Option<&'a EventPartRow>,
    /// Whether its private part was erased.
    erased: bool,
}

/// Compares the rows of a slice with its events.
pub(super) fn compare(slice: &Slice, erased: &Erased, findings: &mut Findings) {
    table(("sources", "source.defined"), &slice.sources, |row| row.id, (slice, erased), same_source, findings);
    table(("accounts", "account.defined"), &slice.accounts, |row| row.id, (slice, erased), same_account, findings);
    table(("contexts", "context.defined"), &slice.contexts, |row| row.id, (slice, erased), same_context, findings);
    table(("deliveries", "delivery.defined"), &slice.deliveries, |row| row.id, (slice, erased), same_delivery, findings);
    table(("rule_sets", "ruleset.defined"), &slice.rule_sets, |row| row.id, (slice, erased), same_rule_set, findings);
}

fn table<R>(
    (name, kind): (&'static str, &'static str),
    rows: &[R],
    id: impl Fn(&R) -> Seq,
    (slice, erased): (&Slice, &Erased),
    same: impl Fn(&R, Definition<'_>) -> Option<bool>,
    findings: &mut Findings,
) {
    findings.checked(L4, rows.len());
    for event in slice.events.iter().filter(|event| event.kind == kind) {
        let Ok(at) = rows.binary_search_by_key(&event.seq, &id) else {
            findings.add((L4, "definition_missing"), name, event.seq, format!("the event {kind} has no row"));
            continue;
        };
        let part = slice.event_parts.binary_search_by_key(&event.seq, |part| part.seq).ok();
        let part = part.map(|i| &slice.event_parts[i]);
        let definition = Definition { event, part, erased: erased.under(event.seq).is_some() };
        if same(&rows[at], definition) != Some(true) {
            findings.add((L4, "definition_differs"), name, event.seq, format!("the row is not what its event {kind} says"));
        }
    }
    for seq in rows.iter().map(id) {
        let event = slice.events.binary_search_by_key(&seq, |event| event.seq).ok();
        if event.is_none_or(|i| slice.events[i].kind != kind) {
            findings.add((L4, "definition_extra"), name, seq, format!("no event {kind} defined this row"));
        }
    }
}

/// Compares one account's row with its event.
pub(super) fn compare_account(
    row: &AccountRow,
    event: &EventRow,
    part: Option<&EventPartRow>,
    erased: &Erased,
    findings: &mut Findings,
) {
    findings.checked(L4, 1);
    let erased = erased.under(row.id).is_some();
    if same_account(row, Definition { event, part, erased }) != Some(true) {
        findings.add((L4, "definition_differs"), "accounts", row.id, "the row is not what its event account.defined says");
    }
}

impl<'a> Definition<'a> {
    fn body<T: Deserialize<'a>>(&self) -> Option<T> {
        serde_json::from_str(&self.event.body).ok()
    }

    /// The private part; `None` if it cannot be read, `Some(None)` if it is gone.
    fn private<T: Deserialize<'a> + Default>(&self) -> Option<Option<T>> {
        match self.part {
            Some(part) => serde_json::from_str(&part.body).ok().map(Some),
            None if self.event.blind.len() == 32 => Some(None),
            None => Some(Some(T::default())),
        }
    }
}

/// What `source.defined` says in public.
#[derive(Deserialize)]
pub(super) struct SourceBody {
    pub(super) name: String,
}

/// What `account.defined` says in public.
#[derive(Deserialize)]
pub(super) struct AccountBody {
    pub(super) source: Seq,
    pub(super) currency: String,
}

/// What `account.defined` says in private.
#[derive(Default, Deserialize)]
struct AccountPrivate {
    account: String,
}

#[derive(Deserialize)]
struct ContextBody {
    source: Seq,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ContextPrivate {
    session_id: Option<String>,
    ip: Option<String>,
    user_agent: Option<String>,
    device_id: Option<String>,
    actor: Option<String>,
    actor_kind: Option<String>,
}

#[derive(Deserialize)]
struct DeliveryBody {
    source: Seq,
    kind: String,
    key: Option<Seq>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct DeliveryPrivate {
    origin: Option<String>,
}

fn same_source(row: &SourceRow, of: Definition<'_>) -> Option<bool> {
    let body: SourceBody = of.body()?;
    Some(row.name == body.name && row.created_at == of.event.recorded_at)
}

fn same_account(row: &AccountRow, of: Definition<'_>) -> Option<bool> {
    let body: AccountBody = of.body()?;
    let number = match of.erased {
        true => row.number == erased_number(row.id),
        false => of.private::<AccountPrivate>()?.is_none_or(|private| private.account == row.number),
    };
    Some(number && row.source == body.source && row.currency == body.currency && row.created_at == of.event.recorded_at)
}

fn same_context(row: &ContextRow, of: Definition<'_>) -> Option<bool> {
    let body: ContextBody = of.body()?;
    if of.erased {
        let empty = ContextRow::empty(row.id, row.source);
        return Some(row.source == body.source && *row == empty);
    }
    let same = |private: ContextPrivate| {
        let kind = private.actor_kind.as_deref().map(ActorKind::parse);
        row.session_id == private.session_id
            && row.ip == private.ip
            && row.user_agent == private.user_agent
            && row.device_id == private.device_id
            && row.actor == private.actor
            && row.actor_kind.map(ActorKind::from_code) == kind
    };
    let found_by = row.fingerprint == context_fingerprint(row.source, &row.context());
    Some(found_by && row.source == body.source && of.private()?.is_none_or(same))
}

fn same_delivery(row: &DeliveryRow, of: Definition<'_>) -> Option<bool> {
    let body: DeliveryBody = of.body()?;
    let origin = of.private::<DeliveryPrivate>()?.is_none_or(|private| private.origin == row.origin);
    let public = row.source == body.source && row.kind == body.kind && row.api_key == body.key;
    let kind = DeliveryKind::parse(&row.kind)?;
    let delivery = Delivery { kind, api_key: row.api_key, origin: row.origin.clone() };
    let found_by = row.fingerprint == delivery_fingerprint(row.source, &delivery, row.started_at.div_euclid(DAY));
    Some(found_by && origin && public && row.started_at == of.event.recorded_at)
}

fn same_rule_set(row: &RuleSetRow, of: Definition<'_>) -> Option<bool> {
    let body: Value = of.body()?;
    let version = body.get("version").and_then(Value::as_i64);
    Some(row.body == of.event.body && version == Some(row.version) && row.recorded_at == of.event.recorded_at)
}
