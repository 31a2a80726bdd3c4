//! Notices: what whoever runs the monitor or decides in it must hear of, each made of an event's
//! public fields, so that nothing personal can get into one.

use serde_json::Value;

use crate::ids::Seq;

/// Names of settings listed in one notice; the rest is counted.
const NAMES_MAX: usize = 20;

/// Something to hear of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoticeFact {
    /// What happened, as a sentence without its full stop.
    pub title: String,
    /// What it means and what to do, in sentences.
    pub text: String,
    /// Where to look: a path of the pages.
    pub path: String,
    /// Its event.
    pub seq: Seq,
}

impl NoticeFact {
    /// Of the event of this kind at `seq`.
    pub fn of(kind: &str, seq: Seq, body: &str) -> NoticeFact {
        let body: Value = serde_json::from_str(body).unwrap_or_default();
        let (title, text, path) = match kind {
            "settings.changed" => changed(&body),
            "anchor.overdue" => overdue(&body),
            "night.passed" => night(&body),
            "approval.announced" => (
                "A proposal waits for your decision".to_owned(),
                "Somebody proposed what a second person must approve. Read what it does before you decide.".to_owned(),
                format!("/approvals/{}", body["proposal"].as_i64().unwrap_or_default()),
            ),
            _ => ("Something was recorded".to_owned(), "See the trail.".to_owned(), "/trail".to_owned()),
        };
        NoticeFact { title, text, path, seq }
    }
}

fn changed(body: &Value) -> (String, String, String) {
    // Names of settings are ours; a source's name is the administrator's.
    let names: Vec<&str> = body["changed"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let listed = names.iter().take(NAMES_MAX).copied().collect::<Vec<_>>().join(", ");
    let more = names.len().saturating_sub(NAMES_MAX);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let text = format!(
        "The program started with other settings than before: {listed}{more}. You receive this because you received its mail \
         until now. If you did not expect it, ask who changed them and why."
    );
    ("Control settings were changed".to_owned(), text, "/trail".to_owned())
}

fn night(body: &Value) -> (String, String, String) {
    let date = body["date"].as_str().unwrap_or_default();
    let why = if body["day_off"] == true { "is no business day" } else { "has its report already" };
    let text =
        "This mail comes every night, so that its absence is noticed: the log goes on, and the checkpoint below covers it up \
         to this night. Keep it."
            .to_owned();
    (format!("No report is due: {date} {why}"), text, "/trail#anchors".to_owned())
}

fn overdue(body: &Value) -> (String, String, String) {
    let (age, limit) = (body["age_hours"].as_i64().unwrap_or_default(), body["limit_hours"].as_i64().unwrap_or_default());
    let text = format!(
        "The newest checkpoint that came back from outside is {age} hours old; at most {limit} are allowed. What was recorded since \
         could be rewritten unseen. Paste the signed note of a mail you kept into page Trail, or see to the witness."
    );
    ("No checkpoint has come back from outside".to_owned(), text, "/trail#anchors".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_made_of_public_fields_alone() {
        let fact = NoticeFact::of("approval.announced", 9, r#"{"proposal":7,"kind":"subject.erase","reason":"CANARY"}"#);
        assert_eq!((fact.path.as_str(), fact.seq), ("/approvals/7", 9));
        assert!(!format!("{fact:?}").contains("CANARY"));
        let body = serde_json::json!({ "changed": (0..30).map(|n| format!("key.{n}")).collect::<Vec<_>>() }).to_string();
        let text = NoticeFact::of("settings.changed", 1, &body).text;
        assert!(text.contains("key.19 and 10 more") && !text.contains("key.20"), "{text}");
        let text = NoticeFact::of("anchor.overdue", 1, r#"{"age_hours":50,"limit_hours":48}"#).text;
        assert!(text.contains("50 hours") && text.contains("at most 48"), "{text}");
        let title = |body: &str| NoticeFact::of("night.passed", 1, body).title;
        assert_eq!(title(r#"{"date":"2026-03-07","day_off":true}"#), "No report is due: 2026-03-07 is no business day");
        assert_eq!(title(r#"{"date":"2026-03-06","day_off":false}"#), "No report is due: 2026-03-06 has its report already");
        assert_eq!(NoticeFact::of("odd", 1, "not JSON").path, "/trail");
    }
}
