//! Sentences for events: names for numbers, and nothing of what is private.

use super::*;

fn say(kind: &str, body: &str) -> (String, Option<String>) {
    let names =
        Names { users: HashMap::from([(3, "ada@bank.example".to_owned())]), sources: HashMap::from([(7, "core".to_owned())]) };
    let said = said(kind, body, &names);
    (said.text, said.about.map(|link| link.href))
}

#[test]
fn an_event_is_one_sentence_with_names_for_numbers() {
    for (kind, body, text) in [
        ("session.opened", r#"{"user":3,"session":"ab"}"#, "ada@bank.example signed in."),
        (
            "session.refused",
            r#"{"user":null,"outcome":"unknown"}"#,
            "A sign-in as somebody unknown was refused: there is no such user.",
        ),
        (
            "program.started",
            r#"{"version":"0.1.0","schema":"000019","silent_since":"2026-11-20T12:00:00.123456Z"}"#,
            "The program started, version 0.1.0, on the schema 000019. The one before had not stopped in good order: nothing was \
             recorded from 2026-11-20 12:00:00 UTC until now.",
        ),
        (
            "session.refused",
            r#"{"user":3,"outcome":"wrong_password","door":"command"}"#,
            "On the command line the password of ada@bank.example was refused: the password was wrong.",
        ),
        (
            "session.refused",
            r#"{"counted":1200,"addresses":2}"#,
            "1,200 sign-ins were refused within a minute beyond those listed, from 2 addresses.",
        ),
        ("feed.closed", r#"{"source":7,"business_date":"2026-11-20"}"#, "Source core closed its day 2026-11-20."),
        (
            "heads.committed",
            r#"{"business_date":"2026-11-20","size":9,"accounts":2,"root":"00"}"#,
            "The last entry of each of 2 accounts at the close of 2026-11-20 was committed to.",
        ),
        ("odd.kind", r#"{"secret":"x"}"#, "An event of kind odd.kind."),
        ("alert.opened", "not JSON", "An alert of severity ? was raised by ?."),
    ] {
        assert_eq!(say(kind, body).0, text);
    }
    let (text, href) = say("alert.closed", r#"{"ref":"ALR-2026-000001","user":3,"disposition":"data_quality"}"#);
    assert_eq!(
        (text.as_str(), href.as_deref()),
        ("ada@bank.example closed an alert: data quality.", Some("/alerts/ALR-2026-000001"))
    );
}

#[test]
fn every_kind_this_program_writes_has_its_sentence() {
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    let mut kinds = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(source)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path) {
                let text = text.split("#[cfg(test)]").next().unwrap_or_default();
                let written = text.split("NewEvent::").skip(1).filter_map(|rest| rest.split_once('(').map(|(_, rest)| rest));
                let named = written.filter_map(|rest| rest.trim_start().strip_prefix('"')?.split('"').next().map(str::to_owned));
                kinds.extend(named.filter(|kind| kind.contains('.') && !kind.starts_with("test.")));
            }
        }
    }
    assert!(kinds.len() > 15, "{kinds:?}");
    for kind in kinds {
        assert!(!say(&kind, "{}").0.contains("of kind"), "{kind} has no sentence");
    }
}
