//! The rules on changes: what they see of a change, and what is recorded of what they say.

use std::sync::{Arc, Mutex, PoisonError};

use crate::alerts::changes::{ChangeHit, raise};
use crate::alerts::store as alerts;
use crate::clock::Moment;
use crate::config::{Config, RecordType};
use crate::db::{Conn, DbResult};
use crate::detect::changes::{Actor, ChangeCase, Field, Past};
use crate::detect::{self, ActiveRule, Outcome, RuleSet, Severity, store as rule_sets};
use crate::ids::Seq;
use crate::ledger::BusinessCalendar;
use crate::trail::{ActError, ActTx};

use super::actor::{self, actor_key};
use super::change::{Action, NewChange};
use super::decide::{Changed, Decision, Digest, Old, State};
use super::event::RuleOutcome;
use super::json::Json;

/// The rules in force, compiled once for each rule set.
#[derive(Default)]
pub struct Rules {
    known: Mutex<Option<Arc<RuleSet>>>,
    recipients: Vec<String>,
}

/// A rule that a change hit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReceiptHit {
    /// Its code.
    pub rule: String,
    /// How grave.
    pub severity: Severity,
    /// The alert it joined; none while the rule runs dry.
    pub alert: Option<String>,
}

/// A change as the rules are to see it.
pub(super) struct Seen<'a> {
    pub seq: Seq,
    pub source: Seq,
    pub record: Seq,
    pub change: &'a NewChange,
    pub kind: &'a RecordType,
    pub at: Moment,
    pub state: Option<&'a State>,
    pub decision: &'a Decision,
    /// Whether it is about its actor.
    pub own: bool,
}

/// What the rules said of a change.
pub(super) struct Judged {
    rules: Arc<RuleSet>,
    found: Vec<(usize, Outcome, Seq)>,
}

impl Rules {
    /// Whose hits owe mail as the settings say.
    pub fn new(config: &Config) -> Rules {
        Rules { known: Mutex::default(), recipients: config.mail.alerts_to.clone() }
    }

    fn in_force(&self, conn: &mut Conn) -> DbResult<Arc<RuleSet>> {
        let newest = rule_sets::newest_id(conn)?;
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(set) = known.as_ref().filter(|set| Some(set.id) == newest) {
            return Ok(set.clone());
        }
        Ok(known.insert(Arc::new(rule_sets::in_force(conn)?)).clone())
    }

    /// Every rule on changes that runs, with what it says of this one unless that is *clear*.
    pub(super) fn judge(&self, conn: &mut Conn, calendar: &BusinessCalendar, seen: &Seen<'_>) -> DbResult<Judged> {
        let rules = self.in_force(conn)?;
        let past = match (rules.looks_back(), &seen.change.who.actor) {
            (Some(look), Some(actor)) => actor::past(conn, (seen.source, actor), seen.at, look)?,
            _ => Past::default(),
        };
        let fields: Vec<Field<'_>> = seen.decision.fields.iter().map(|field| shown(field, seen)).collect();
        let who = &seen.change.who;
        let case = ChangeCase {
            seq: seen.seq,
            record: seen.record,
            kind: &seen.change.kind,
            at: seen.at,
            fields: &fields,
            sensitive: touches_sensitive(seen),
            class: seen.change.class,
            reasoned: seen.change.reason.as_ref().is_some_and(|reason| !reason.trim().is_empty()),
            actor: who.actor.as_ref().map(|_| Actor { kind: who.actor_kind.as_deref(), own: seen.own, past: &past }),
            calendar,
        };
        let mut found = Vec::new();
        for (nth, rule) in rules.on_changes().enumerate() {
            let outcome = rule.check.check_change(&case);
            if outcome != Outcome::Clear {
                found.push((nth, outcome, about(conn, rule, seen)?));
            }
        }
        Ok(Judged { rules, found })
    }

    /// Stores the hits, and what follows from them, once their change has its place.
    pub(super) fn raise(
        &self,
        tx: &mut ActTx<'_>,
        (calendar, date): (&BusinessCalendar, i32),
        (change, changed_at): (Seq, Moment),
        judged: &Judged,
    ) -> Result<Vec<ReceiptHit>, ActError> {
        let mut receipt = Vec::new();
        for (nth, outcome, about) in &judged.found {
            let (Some(rule), Outcome::Hits(hits)) = (judged.rules.on_changes().nth(*nth), outcome) else { continue };
            for hit in hits {
                let (rules, about) = (judged.rules.id, *about);
                let hit = ChangeHit { rule, rules, about, change, changed_at, date, late: hit.late, evidence: &hit.evidence };
                let alert = raise(tx, calendar, &self.recipients, &hit)?;
                receipt.push(ReceiptHit { rule: rule.rule.code().to_owned(), severity: rule.severity, alert });
            }
        }
        // In the order in which a repetition is answered.
        receipt.sort_by(|one, other| one.rule.cmp(&other.rule));
        Ok(receipt)
    }
}

impl Judged {
    /// The rule set that was in force.
    pub(super) fn rules(&self) -> Seq {
        self.rules.id
    }

    /// What the change says of it for ever.
    pub(super) fn outcomes(&self, record: Seq) -> Vec<RuleOutcome> {
        let mut told = Vec::new();
        for (nth, outcome, about) in &self.found {
            let Some(rule) = self.rules.on_changes().nth(*nth) else { continue };
            for (plain, hit) in detect::RuleOutcome::of(rule, outcome) {
                let about = hit.map(|_| *about).filter(|about| *about != record);
                told.push(RuleOutcome { about, evidence: hit.map(|hit| hit.evidence.clone()), ..plain });
            }
        }
        told
    }
}

/// A field as a rule may see it: nothing of what is sealed.
fn shown<'a>(field: &'a Changed, seen: &Seen<'_>) -> Field<'a> {
    if super::fields::is_sealed(seen.kind, &seen.change.sensitive, field) {
        return Field { old: None, new: None };
    }
    let old = match &field.old {
        Old::Value(value) => Some(value.as_str()),
        Old::Nothing | Old::Sealed(_) => None,
    };
    Field { old, new: field.new.as_ref().map(Json::as_str) }
}

fn touches_sensitive(seen: &Seen<'_>) -> bool {
    let also = &seen.change.sensitive;
    let gone = seen.state.filter(|_| seen.change.action == Action::Delete);
    let gone = gone.is_some_and(|state| state.values.keys().any(|path| seen.kind.is_sensitive(path, also)));
    gone || seen.decision.fields.iter().any(|field| !field.same && super::fields::is_sealed(seen.kind, also, field))
}

/// The record, or the first change that its actor made.
fn about(conn: &mut Conn, rule: &ActiveRule, seen: &Seen<'_>) -> DbResult<Seq> {
    match &seen.change.who.actor {
        Some(actor) if rule.check.is_of_actor() => {
            Ok(actor::store::first_change_of(conn, seen.source, &actor_key(actor))?.unwrap_or(seen.seq))
        }
        _ => Ok(seen.record),
    }
}

/// Whether a record is about the one who changes it: by its id, or by the value at the path that its type
/// names.
pub(super) fn is_own(
    change: &NewChange,
    kind: &RecordType,
    state: Option<&State>,
    decision: &Decision,
    digest: &Digest<'_>,
) -> bool {
    let Some(actor) = &change.who.actor else { return false };
    let key = actor_key(actor);
    let same = |text: &str| actor_key(text) == key;
    if same(&change.id) {
        return true;
    }
    let path = &kind.employee;
    let held = state.and_then(|state| state.values.get(path)).is_some_and(|held| match &held.value {
        Some(value) => same(&value.for_people()),
        None => held.is(path, &Json::text_of(actor), digest),
    });
    let changed = decision.fields.iter().filter(|field| field.path == *path);
    let mut said = changed.flat_map(|field| match &field.old {
        Old::Value(old) => [Some(old), field.new.as_ref()],
        _ => [None, field.new.as_ref()],
    });
    !path.is_empty() && (held || said.any(|value| value.is_some_and(|value| same(&value.for_people()))))
}

/// The hits of a change, as they were told when it was recorded.
pub(super) fn hits_again(conn: &mut Conn, seq: Seq) -> DbResult<Vec<ReceiptHit>> {
    let mut hits = Vec::new();
    for row in alerts::hits_of_entry(conn, seq)? {
        let alert = row.alert.map(|id| alerts::reference_of(conn, id)).transpose()?.flatten();
        let severity = Severity::from_code(row.severity).unwrap_or(Severity::Critical);
        hits.push(ReceiptHit { rule: row.rule, severity, alert });
    }
    Ok(hits)
}
