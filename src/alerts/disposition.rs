//! Closing an alert: one of six dispositions, with a comment, by someone who may, once.
//!
//! The act and its refusal are both events: a refusal is written outside the act that failed.

use std::ops::RangeInclusive;

use serde_json::json;

use crate::access::{Permission, users};
use crate::ids::{AlertRef, Seq, is_invisible};
use crate::trail::{ActError, ActTx, Changed, Log, NewEvent};

use super::store::{self, AlertRow, Closing, OPEN};

/// How many characters a comment has.
pub const COMMENT_CHARS: RangeInclusive<usize> = 20..=2_000;

/// What an officer found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Disposition {
    /// The activity fits what is known of the customer.
    FalsePositiveExpectedActivity,
    /// The rule caught what it was not meant to catch.
    FalsePositiveRuleTooBroad,
    /// Unusual, but documents explain it.
    ExplainedWithEvidence,
    /// The same activity is under review in another alert.
    DuplicateOf,
    /// The entry or its balances are wrong or incomplete.
    DataQuality,
    /// The activity needs an investigation.
    EscalatedToCase,
}

impl Disposition {
    /// All six, in the order in which they are offered.
    pub const ALL: [Disposition; 6] = [
        Disposition::FalsePositiveExpectedActivity,
        Disposition::FalsePositiveRuleTooBroad,
        Disposition::ExplainedWithEvidence,
        Disposition::DuplicateOf,
        Disposition::DataQuality,
        Disposition::EscalatedToCase,
    ];

    /// `data_quality`
    pub fn text(self) -> &'static str {
        match self {
            Disposition::FalsePositiveExpectedActivity => "false_positive_expected_activity",
            Disposition::FalsePositiveRuleTooBroad => "false_positive_rule_too_broad",
            Disposition::ExplainedWithEvidence => "explained_with_evidence",
            Disposition::DuplicateOf => "duplicate_of",
            Disposition::DataQuality => "data_quality",
            Disposition::EscalatedToCase => "escalated_to_case",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Disposition> {
        Disposition::ALL.into_iter().find(|d| d.text() == text)
    }

    /// From its text, or a refusal that lists the choices.
    pub fn require(text: &str) -> Result<Disposition, ActError> {
        let choices = || Disposition::ALL.map(Disposition::text).join(", ");
        let refused = || ActError::refused(422, "disposition_unknown", format!("choose a disposition: {}", choices()));
        Disposition::parse(text).ok_or_else(refused)
    }
}

/// Closes the alert `reference`; answers the event. Refusals: `404 alert_unknown`,
/// `409 alert_closed`, `403 forbidden`, `422 comment_length`, `422 comment_unreadable`,
/// `422 duplicate_of_invalid`.
pub fn close(
    log: &Log,
    reference: &str,
    disposition: Disposition,
    comment: &str,
    duplicate_of: Option<&str>,
    user: Seq,
) -> Result<Seq, ActError> {
    let named = AlertRef::parse(reference);
    let wanted = Wanted {
        reference: named,
        disposition,
        comment: comment.replace("\r\n", "\n").trim().to_owned(),
        duplicate_of: duplicate_of.map(str::trim).filter(|text| !text.is_empty()).map(str::to_owned),
        user,
    };
    let closed = log.act(move |tx| wanted.act(tx));
    if let Err(ActError::Refused { code, .. }) = &closed {
        let named = named.map(|r| r.to_string());
        let body = json!({ "ref": named, "disposition": disposition.text(), "user": user, "code": code });
        log.append(NewEvent::public("alert.close_refused", body))?;
    }
    closed
}

/// Refuses a comment that says too little or too much, or that is no plain text.
pub fn check_comment(comment: &str) -> Result<(), ActError> {
    let comment = comment.replace("\r\n", "\n");
    let chars = comment.trim().chars().filter(|c| !is_invisible(*c)).count();
    if !COMMENT_CHARS.contains(&chars) {
        let (least, most) = (COMMENT_CHARS.start(), COMMENT_CHARS.end());
        let detail = format!("the comment has {chars} characters; write {least} to {most}: what was checked and found");
        return Err(ActError::refused(422, "comment_length", detail));
    }
    if comment.contains(|c: char| c.is_control() && c != '\n' && c != '\t') {
        let detail = "the comment contains control characters; write plain text";
        return Err(ActError::refused(422, "comment_unreadable", detail));
    }
    Ok(())
}

struct Wanted {
    reference: Option<AlertRef>,
    disposition: Disposition,
    comment: String,
    duplicate_of: Option<String>,
    user: Seq,
}

impl Wanted {
    fn act(self, tx: &mut ActTx<'_>) -> Result<Seq, ActError> {
        users::require(tx.conn, self.user, Permission::DecideAlerts)?;
        let alert = self.alert(tx)?;
        check_comment(&self.comment)?;
        let duplicate_of = self.original(tx, &alert)?;
        let body = json!({
            "alert": alert.id, "ref": alert.reference, "disposition": self.disposition.text(),
            "duplicate_of": duplicate_of, "user": self.user,
        });
        let seq = tx.append(NewEvent::with_private("alert.closed", body, json!({ "comment": self.comment })))?;
        let closing = Closing {
            disposition: self.disposition.text(),
            comment: &self.comment,
            duplicate_of: duplicate_of.as_deref(),
            at: tx.now(),
            by: self.user,
            seq,
        };
        store::close_alert(tx.conn, alert.id, &closing)?;
        tx.changed(Changed::AlertClosed(alert.id));
        Ok(seq)
    }

    fn alert(&self, tx: &mut ActTx<'_>) -> Result<AlertRow, ActError> {
        let unknown =
            || ActError::refused(404, "alert_unknown", "there is no such alert; a reference looks like ALR-2026-000123");
        let reference = self.reference.ok_or_else(unknown)?;
        let alert = store::alert_by_reference(tx.conn, &reference.to_string())?.ok_or_else(unknown)?;
        if alert.state != OPEN {
            let detail = format!("{} is closed already; open it to see what was decided", alert.reference);
            return Err(ActError::refused(409, "alert_closed", detail));
        }
        Ok(alert)
    }

    /// The alert that this one repeats, for `duplicate_of` only.
    fn original(&self, tx: &mut ActTx<'_>, alert: &AlertRow) -> Result<Option<String>, ActError> {
        let refused = |detail: String| Err(ActError::refused(422, "duplicate_of_invalid", detail));
        let text = match (&self.duplicate_of, self.disposition) {
            (None, Disposition::DuplicateOf) => return refused("name the alert that this one repeats".into()),
            (Some(_), other) if other != Disposition::DuplicateOf => {
                return refused("only a duplicate names another alert; leave the reference empty".into());
            }
            (None, _) => return Ok(None),
            (Some(text), _) => text,
        };
        let named = AlertRef::parse(text).map(|r| r.to_string());
        let found = match &named {
            Some(named) => store::alert_by_reference(tx.conn, named)?,
            None => None,
        };
        let Some(found) = found else {
            return refused("there is no alert with that reference; it looks like ALR-2026-000123".into());
        };
        if found.id == alert.id {
            return refused("an alert cannot repeat itself; name the other one".into());
        }
        if found.account != alert.account && found.rule != alert.rule {
            let (one, two) = (&alert.reference, &found.reference);
            return refused(format!("{two} has neither the account nor the rule of {one}, so {one} cannot repeat it"));
        }
        if let Some(other) = &found.duplicate_of {
            // Otherwise two alerts could each be closed as a duplicate of the other.
            return refused(format!("{} is itself a duplicate; name {other}", found.reference));
        }
        Ok(Some(found.reference))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::access::Role;
    use crate::alerts::testing::House;
    use crate::alerts::{Alert, State, queue};
    use crate::detect::Severity;
    use crate::trail::testing::code;

    const COMMENT: &str = "Salary of the holder, seen on the pay slip of November.";

    fn alert(house: &House) -> Alert {
        let account = house.account("DE89370400440532013000");
        house.hit_alert(account, Severity::High)
    }

    fn try_close(house: &House, of: &Alert, how: Disposition, comment: &str, other: Option<&str>) -> Result<Seq, ActError> {
        close(&house.bench.log, &of.reference.to_string(), how, comment, other, house.officer)
    }

    #[test]
    fn closing_is_an_event_whose_comment_is_private() {
        let house = House::new();
        let open = alert(&house);
        let comment = "  Documents seen:\r\npay slip of November.  ";
        let seq = try_close(&house, &open, Disposition::ExplainedWithEvidence, comment, None).unwrap();
        let closed = house.bench.read(|c| queue::find(c, open.reference)).unwrap();
        let decision = closed.decision.unwrap();
        assert_eq!((closed.state, decision.seq, decision.closed_by), (State::Closed, seq, house.officer));
        assert_eq!(decision.comment, "Documents seen:\npay slip of November.");
        let (at, body, private) = house.bench.events("alert.closed").remove(0);
        assert_eq!((at, body["alert"].as_i64(), body["user"].as_i64()), (seq, Some(open.id), Some(house.officer)));
        assert!(!body.to_string().contains("pay slip"));
        assert_eq!(private.unwrap()["comment"], decision.comment);
    }

    #[test]
    fn what_is_refused_changes_nothing_and_is_an_event() {
        let house = House::new();
        let open = alert(&house);
        let how = Disposition::DataQuality;
        assert_eq!(code(try_close(&house, &open, how, "too short", None)), "comment_length");
        assert_eq!(code(try_close(&house, &open, how, &"x".repeat(2_001), None)), "comment_length");
        assert_eq!(code(try_close(&house, &open, how, &format!("{}short", " ".repeat(30)), None)), "comment_length");
        assert_eq!(code(try_close(&house, &open, how, &format!("{COMMENT}\0"), None)), "comment_unreadable");
        assert!(try_close(&house, &open, how, &"ü".repeat(20), None).is_ok());
        assert_eq!(code(try_close(&house, &open, how, COMMENT, None)), "alert_closed");
        let unknown = close(&house.bench.log, "<script>", how, COMMENT, None, house.officer);
        assert_eq!(code(unknown), "alert_unknown");
        let refused = house.bench.events("alert.close_refused");
        let codes: Vec<_> = refused.iter().map(|e| e.1["code"].as_str().unwrap()).collect();
        assert_eq!(codes[..3], ["comment_length"; 3]);
        assert_eq!(codes[3..], ["comment_unreadable", "alert_closed", "alert_unknown"]);
        assert!(refused[5].1["ref"].is_null());
        assert_eq!(house.bench.events("alert.closed").len(), 1);
    }

    #[test]
    fn only_who_may_decide_closes() {
        let house = House::new();
        let open = alert(&house);
        let by = |user| close(&house.bench.log, &open.reference.to_string(), Disposition::DataQuality, COMMENT, None, user);
        assert_eq!(code(by(house.user("audit@bank.example", Role::Auditor))), "forbidden");
        assert_eq!(code(by(house.user("admin@bank.example", Role::Admin))), "forbidden");
        assert_eq!(code(by(9_999)), "forbidden");
        assert!(by(house.user("ana@bank.example", Role::Analyst)).is_ok());
    }

    #[test]
    fn a_duplicate_names_another_alert_that_is_no_duplicate() {
        let house = House::new();
        let (one, two) = (alert(&house), house.hit_alert(house.account("2"), Severity::Low));
        let (first, second) = (one.reference.to_string(), two.reference.to_string());
        let how = Disposition::DuplicateOf;
        for wrong in [None, Some(""), Some("ALR-1999-000001"), Some("nonsense"), Some(first.as_str())] {
            assert_eq!(code(try_close(&house, &one, how, COMMENT, wrong)), "duplicate_of_invalid", "{wrong:?}");
        }
        let other = try_close(&house, &one, Disposition::DataQuality, COMMENT, Some(&second));
        assert_eq!(code(other), "duplicate_of_invalid");
        try_close(&house, &one, how, COMMENT, Some(&second)).unwrap();
        let closed = house.bench.read(|c| queue::find(c, one.reference)).unwrap();
        assert_eq!(closed.decision.unwrap().duplicate_of, Some(two.reference));
        assert_eq!(code(try_close(&house, &two, how, COMMENT, Some(&first))), "duplicate_of_invalid");
    }

    #[test]
    fn dispositions_are_read_back_as_written() {
        for how in Disposition::ALL {
            assert_eq!(Disposition::require(how.text()).unwrap(), how);
        }
        assert_eq!(code(Disposition::require("")), "disposition_unknown");
    }
}
