//! A new rule set comes into force: checked against every rule's own examples, then an event.

use serde_json::json;

use crate::detect::{RuleSetBody, examples};
use crate::ids::Seq;
use crate::trail::{ActError, Changed, Log, NewEvent};

use super::load;

/// Brings a rule set into force from the next entry on; its version must follow the present one.
/// Refused with the reason when a rule cannot be read or an example of a rule with unchanged
/// parameters fails.
pub fn define_rules(log: &Log, body: RuleSetBody, reason: String) -> Result<Seq, ActError> {
    let refused = |code, detail: String| ActError::refused(422, code, detail);
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
        let present = load::rules(tx.conn)?.version;
        if body.version != present + 1 {
            let detail = format!("the rule set in force has version {present}; the new one must have version {}", present + 1);
            return Err(ActError::refused(409, "rule_set_version", detail));
        }
        let public = serde_json::to_value(&body).map_err(|e| ActError::refused(422, "rule_set_invalid", e.to_string()))?;
        let text = public.to_string();
        let id = tx.append(NewEvent::with_private("ruleset.defined", public, json!({ "reason": reason })))?;
        let now = tx.now().0;
        load::insert_rule_set(tx.conn, id, body.version, &text, now)?;
        tx.changed(Changed::Rules);
        Ok(id)
    })
}
