//! What was decided with an entry, as its leaf commits to it.

use serde::Deserialize;

use crate::detect::Evidence;
use crate::ids::Seq;
use crate::intake::evidence_digest;
use crate::ledger::BreakKind;
use crate::records::event;

/// `entries.outcomes`, read.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Outcomes {
    /// Rules that were not clear.
    pub(super) rules: Vec<RuleOutcome>,
    /// Breaks that are open since this entry.
    pub(super) breaks: Vec<Opened>,
    /// Breaks that this entry closed.
    pub(super) healed: Vec<Closed>,
    /// Chain breaks that are no longer matched since this entry.
    pub(super) frozen: Vec<Seq>,
}

/// What one rule said, with the SHA-256 of a hit's evidence as it is stored.
pub(super) type RuleOutcome = crate::detect::RuleOutcome<String>;

/// A break that was opened.
#[derive(Debug, Deserialize)]
pub(super) struct Opened {
    #[serde(deserialize_with = "kind")]
    pub(super) kind: BreakKind,
    pub(super) seq: Seq,
    pub(super) expected: Option<i64>,
    pub(super) found: Option<i64>,
}

/// A break that was healed.
#[derive(Debug, Deserialize)]
pub(super) struct Closed {
    #[serde(deserialize_with = "kind")]
    pub(super) kind: BreakKind,
    pub(super) seq: Seq,
}

fn kind<'de, D: serde::Deserializer<'de>>(from: D) -> Result<BreakKind, D::Error> {
    let text = String::deserialize(from)?;
    BreakKind::parse(&text).ok_or_else(|| serde::de::Error::custom("unknown kind of break"))
}

impl Outcomes {
    /// Reads the column; null is "everything was clear".
    pub(super) fn read(text: Option<&str>) -> Result<Outcomes, serde_json::Error> {
        text.map_or_else(|| Ok(Outcomes::default()), serde_json::from_str)
    }

    /// As a change says them.
    pub(super) fn of_change(said: Vec<event::RuleOutcome>) -> Outcomes {
        let digest = |seen: Evidence| serde_json::to_string(&seen).ok().map(|text| evidence_digest(&text));
        let rule = |said: event::RuleOutcome| RuleOutcome {
            rule: said.rule,
            outcome: said.outcome,
            severity: said.severity,
            entry: said.entry,
            late: said.late,
            about: said.about,
            evidence: said.evidence.and_then(digest),
        };
        Outcomes { rules: said.into_iter().map(rule).collect(), ..Outcomes::default() }
    }

    /// The hits among the rules' outcomes.
    pub(super) fn hits(&self) -> impl Iterator<Item = &RuleOutcome> {
        self.rules.iter().filter(|rule| rule.outcome == "hit")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn outcomes_are_read_as_they_are_stored() {
        let text = r#"{"rules":[{"rule":"high-value","outcome":"hit","severity":"high","entry":7,"late":true},
            {"rule":"high-frequency","outcome":"insufficient_history"}],
            "breaks":[{"kind":"chain","seq":9,"expected":150000,"found":99000}],"healed":[{"kind":"sequence","seq":4}],"frozen":[5]}"#;
        let outcomes = Outcomes::read(Some(text)).unwrap();
        assert_eq!(outcomes.hits().count(), 1);
        assert_eq!((outcomes.rules[0].entry, outcomes.rules[0].late), (Some(7), true));
        assert_eq!((outcomes.breaks[0].kind, outcomes.breaks[0].expected), (BreakKind::Chain, Some(150_000)));
        assert_eq!((outcomes.healed[0].kind, outcomes.frozen.as_slice()), (BreakKind::Sequence, &[5][..]));
        assert!(Outcomes::read(Some("{\"breaks\":[{\"kind\":\"odd\",\"seq\":1}]}")).is_err());
    }
}
