//! A new rule set comes into force: checked against every rule's own examples, then an event.

use serde_json::json;

use crate::approvals::{self, Kind};
use crate::detect::{RuleSetBody, examples};
use crate::ids::Seq;
use crate::trail::{ActError, Changed, Log, NewEvent};

use super::load;

/// Brings a rule set into force from the next entry on; its version must follow the present one.
/// `approved` is the proposal that a second person approved: without it the set may only catch more
/// than the present one.
///
/// # Errors
/// Refusals: `422 rule_set_incomplete`, `422 rule_set_invalid`, `422 rule_examples_fail` (of a rule
/// with unchanged parameters), `409 rule_set_version`, `403 needs_approval`.
pub fn define_rules(log: &Log, body: RuleSetBody, reason: String, approved: Option<Seq>) -> Result<Seq, ActError> {
    let refused = |code, detail: String| ActError::refused(422, code, detail);
    body.require_all().map_err(|e| refused("rule_set_incomplete", e))?;
    let compiled = body.compile(0).map_err(|e| refused("rule_set_invalid", e))?;
    for active in &compiled.rules {
        let with_defaults = body.rules.iter().any(|r| r.code == active.rule.code() && r.parameters == active.rule.defaults());
        let failing = if with_defaults { examples::failing(active.rule, active.check.as_ref()) } else { Vec::new() };
        if !failing.is_empty() {
            let detail = format!("{} fails its own examples: {}", active.rule.code(), failing.join("; "));
            return Err(refused("rule_examples_fail", detail));
        }
    }
    log.act(move |tx| {
        let present = load::rules_in_force(tx.conn)?;
        if body.version != present.version + 1 {
            let (present, next) = (present.version, present.version + 1);
            let detail = format!("the rule set in force has version {present}; the new one must have version {next}");
            return Err(ActError::refused(409, "rule_set_version", detail));
        }
        let loosened = present.loosened_by(&body);
        if !loosened.is_empty() && approved.is_none() {
            let detail = format!("it catches less, which a second person must approve: {}", loosened.join(" "));
            return Err(ActError::refused(403, "needs_approval", detail));
        }
        let public = serde_json::to_value(&body).map_err(|e| ActError::refused(422, "rule_set_invalid", e.to_string()))?;
        let text = public.to_string();
        let id = tx.append(NewEvent::with_private("ruleset.defined", public, json!({ "reason": reason })))?;
        let now = tx.now().0;
        load::insert_rule_set(tx.conn, id, body.version, &text, now)?;
        tx.changed(Changed::Rules);
        if let Some(proposal) = approved {
            approvals::carried_out(tx, proposal, Kind::LoosenRules, &json!({ "event": id, "version": body.version }))?;
        }
        Ok(id)
    })
}
