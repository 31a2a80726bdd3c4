//! One entry of the log, as the API shows it.

use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;

use actix_web::web::{Data, Path};
use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::reads::Subject;
use crate::alerts::store as alert_store;
use crate::app::App;
use crate::clock::{Moment, day_date};
use crate::db::{Conn, DbError, DbResult};
use crate::detect::Severity;
use crate::ids::Seq;
use crate::intake::Outcomes;
use crate::ledger::reversals;
use crate::ledger::store::{self, BreakRow, ContextRow, EntryRow};
use crate::ledger::{BreakKind, BreakState, Context, NewEntry, Parts};
use crate::money::{Currency, Money};
use crate::trail::generations::Origins;
use crate::trail::sealing;
use crate::web::guard::{Caller, Sender, hidden};
use crate::web::params::{Params, place};
use crate::web::problem::{Problem, ProblemBody};
use crate::web::reads;

use super::wire::{BreakBody, EntryBody, HitBody, is_of_itself};

/// An entry with its place in the log.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
pub struct EntryView {
    /// Its place in the log.
    pub seq: Seq,
    /// The RFC 6962 hash of its leaf, lower-case hex.
    pub leaf: String,
    /// Our number of the entry on its account, from 1.
    pub position: i64,
    /// When it was recorded, RFC 3339.
    pub recorded_at: String,
    /// As sent; `business_date` as decided, `direction` as resolved.
    #[serde(flatten)]
    pub entry: EntryBody,
    /// Rules it hit; empty for a key without scope `receipt:full`.
    pub hits: Vec<HitBody>,
    /// Breaks named at it, with what became of them.
    pub breaks: Vec<BreakView>,
    /// Fields that were sent and are sealed: an officer opens them on the entry's page.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub sealed: Vec<&'static str>,
    /// What else was found when it was recorded: `reverses_unknown` when it cancels an entry that its
    /// source had not sent by then.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub notes: Vec<String>,
}

/// A break and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct BreakView {
    /// What does not hold.
    #[serde(flatten)]
    pub found: BreakBody,
    /// `open healed explained frozen`
    pub state: &'static str,
}

/// Reads what stands beside entries, each thing once.
pub(super) struct Views {
    origins: Origins,
    full: bool,
    contexts: HashMap<Seq, Context>,
    accounts: HashMap<Seq, String>,
}

impl Views {
    pub fn new(conn: &mut Conn, full: bool) -> DbResult<Views> {
        Ok(Views { origins: Origins::of(conn)?, full, contexts: HashMap::new(), accounts: HashMap::new() })
    }

    /// An entry as the API shows it.
    pub fn view(&mut self, conn: &mut Conn, row: &EntryRow) -> DbResult<EntryView> {
        let parts = store::entry_part(conn, row.seq)?.map(|part| part.parts()).unwrap_or_default();
        let sealed = match row.blind.len() {
            32 => sealing::store::sealed_part(conn, row.seq)?,
            _ => None,
        };
        let mut entry = self.entry(conn, row, parts)?;
        without_officers(conn, row.delivery, &mut entry)?;
        let leaf = row.leaf_hash(self.origins.at(row.seq)).map_err(|e| DbError::Corrupt(e.to_string()))?;
        let breaks = store::breaks_at(conn, row.seq)?;
        let told = found_upon_own(conn, row.account, &breaks)?;
        let breaks = breaks.iter().map(|found| break_view(found, entry.currency, told)).collect::<DbResult<_>>()?;
        Ok(EntryView {
            seq: row.seq,
            leaf: hex::encode(leaf),
            position: row.position,
            recorded_at: Moment(row.recorded_at).to_string(),
            entry: EntryBody { business_date: Some(day_date(row.business_date).to_string()), ..body(&entry) },
            hits: if self.full { hits(conn, row.seq)? } else { Vec::new() },
            breaks,
            sealed: sealed.map(|row| sealing::Fields(row.fields).names()).unwrap_or_default(),
            notes: Outcomes::read(row.outcomes.as_deref()).map_err(|e| DbError::Corrupt(e.to_string()))?.notes,
        })
    }

    fn entry(&mut self, conn: &mut Conn, row: &EntryRow, parts: Parts) -> DbResult<NewEntry> {
        let missing = |what: &str| DbError::Corrupt(format!("entry {}: its {what} is missing", row.seq));
        let context = match self.contexts.entry(row.context) {
            Slot::Occupied(known) => known.into_mut(),
            // An erased context leaves nothing to show.
            Slot::Vacant(new) => {
                new.insert(store::context(conn, row.context)?.as_ref().map(ContextRow::context).unwrap_or_default())
            }
        };
        let account = match self.accounts.entry(row.account) {
            Slot::Occupied(known) => known.into_mut(),
            Slot::Vacant(new) => new.insert(store::account(conn, row.account)?.ok_or_else(|| missing("account"))?.number),
        };
        row.to_entry(account, context.clone(), parts)
    }
}

/// Whom a source is told of where officers reversed or restored: no name.
pub(super) const OFFICER: &str = "officer";

/// What a source is told instead of the reason that officers wrote.
pub(super) fn by_proposal(id: Seq) -> String {
    format!("proposal {id}")
}

/// An entry that two officers made, as its source may read it.
fn without_officers(conn: &mut Conn, delivery: Seq, entry: &mut NewEntry) -> DbResult<()> {
    if reversals::is_own(&entry.source_ref) {
        entry.context.actor = Some(OFFICER.to_owned());
        // Its delivery says by which proposal it came.
        entry.parts.reason = store::delivery(conn, delivery)?.and_then(|delivery| delivery.origin);
    }
    Ok(())
}

fn body(entry: &NewEntry) -> EntryBody {
    let money = |minor: i64| Money::new(minor, entry.currency).to_string();
    let date = |number: i32| day_date(number).to_string();
    let (context, parts) = (entry.context.clone(), entry.parts.clone());
    EntryBody {
        source_ref: entry.source_ref.clone(),
        account: entry.account.clone(),
        currency: entry.currency.code().to_owned(),
        kind: entry.kind.to_string(),
        direction: Some(entry.direction.to_string()),
        amount: money(entry.amount),
        balance_before: entry.balance_before.map(money),
        balance_after: entry.balance_after.map(money),
        booked_at: entry.booked_at.to_string(),
        value_date: entry.value_date.map(date),
        business_date: entry.business_date.map(date),
        transaction_ref: entry.transaction_ref.clone(),
        account_seq: entry.account_seq,
        session_id: context.session_id,
        ip: context.ip,
        user_agent: context.user_agent,
        device_id: context.device_id,
        actor: context.actor,
        actor_kind: context.actor_kind.map(|kind| kind.to_string()),
        channel: entry.channel.map(|channel| channel.to_string()),
        instrument: entry.instrument.map(|instrument| instrument.to_string()),
        party: parts.party,
        counterparty: parts.counterparty,
        counterparty_name: parts.counterparty_name,
        counterparty_country: parts.counterparty_country,
        reason: parts.reason,
        reverses: entry.reverses.clone(),
        status: Some(entry.status.to_string()),
    }
}

fn hits(conn: &mut Conn, seq: Seq) -> DbResult<Vec<HitBody>> {
    let rows = alert_store::hits_of_entry(conn, seq)?;
    let mut hits = Vec::with_capacity(rows.len());
    for row in rows {
        let severity = Severity::from_code(row.severity);
        let severity = severity.ok_or_else(|| DbError::Corrupt(format!("hit of {} at {seq}: unknown severity", row.rule)))?;
        let alert = match row.alert {
            Some(id) => alert_store::alert(conn, id)?.map(|alert| alert.reference),
            None => None,
        };
        hits.push(HitBody { rule: row.rule, severity: severity.text().to_owned(), alert });
    }
    Ok(hits)
}

/// Whether what was expected of these breaks follows from entries of the account's own source alone: a key reads no other
/// source's balance.
fn found_upon_own(conn: &mut Conn, account: Seq, breaks: &[BreakRow]) -> DbResult<bool> {
    let newest = breaks.iter().filter(|found| found.expected.is_some()).map(|found| found.opened_by).max();
    let Some(newest) = newest else { return Ok(true) };
    Ok(store::first_foreign(conn, account)?.is_none_or(|first| first > newest))
}

/// A break in the entry's currency; numbers of a sequence plain. What was expected only where it is `told`.
fn break_view(row: &BreakRow, currency: Currency, told: bool) -> DbResult<BreakView> {
    let corrupt = |what: &str| DbError::Corrupt(format!("break at {}: unknown {what}", row.seq));
    let kind = BreakKind::from_code(row.kind).ok_or_else(|| corrupt("kind"))?;
    let state = BreakState::from_code(row.state).ok_or_else(|| corrupt("state"))?;
    let text = |value: i64| if kind == BreakKind::Sequence { value.to_string() } else { Money::new(value, currency).to_string() };
    let expected = row.expected.filter(|_| told);
    let difference = expected.zip(row.found).and_then(|(expected, found)| found.checked_sub(expected));
    let found = BreakBody {
        kind: kind.to_string(),
        expected: expected.map(text),
        found: row.found.map(text),
        difference: difference.map(text),
        path: None,
    };
    Ok(BreakView { found, state: state.text() })
}

/// One entry by its place in the log.
#[utoipa::path(
    get, path = "/api/v1/entries/{seq}", tag = "Entries", security(("key" = ["read"])),
    params(("seq" = i64, Path, description = "Its place in the log, from its receipt.")),
    responses(
        (status = 200, description = "The entry, its leaf, and what was found.", body = EntryView),
        (status = 401, description = "No key, or not one that is known.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 403, description = "The key lacks the scope.", body = ProblemBody, content_type = "application/problem+json"),
        (status = 404, description = "No such entry of your source.", body = ProblemBody, content_type = "application/problem+json"),
    )
)]
pub async fn show(req: HttpRequest, sender: Sender, app: Data<App>, seq: Path<String>) -> Result<HttpResponse, Problem> {
    Params::of(&req, &[])?;
    let seq = place(&seq).map_err(|_| Problem::not_found("entry"))?;
    let caller = Caller::Sender(sender.0);
    let (full, source, db) = (caller.sees_hits(), caller.source(), app.db.clone());
    let found = web::block(move || {
        db.read(|conn| {
            let Some(row) = store::entry(conn, seq)? else { return Ok(None) };
            if source.is_some_and(|source| source != row.source) {
                return Ok(Some(None));
            }
            let mut view = Views::new(conn, full)?.view(conn, &row)?;
            let owner = store::account(conn, row.account)?.map(|account| account.source);
            if source.is_some() && owner != Some(row.source) {
                view.breaks.retain(|found| is_of_itself(&found.found.kind));
            }
            Ok::<_, DbError>(Some(Some((row.account, view))))
        })
    });
    match found.await?? {
        Some(Some((account, view))) => {
            reads::shows(&req, [Subject::Account(account)]);
            Ok(HttpResponse::Ok().json(view))
        }
        Some(None) => Err(hidden(&req, &caller, "entry").await),
        None => Err(Problem::not_found("entry")),
    }
}
