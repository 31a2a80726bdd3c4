#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};

use crate::clock::Moment;

use super::record::Record;
use super::webhook::signature;
use super::{cef, ocsf, syslog};

fn record(kind: &str, body: Value) -> Record {
    Record {
        seq: 7,
        leaf: [0xab; 32],
        log: "bank.example/log-1".into(),
        checkpoint: 9,
        recorded_at: Moment(1_772_445_600_123_456),
        kind: kind.into(),
        body,
    }
}

#[test]
fn a_refused_sign_in_is_a_failed_logon_in_ocsf() {
    let event = ocsf::event(&record("session.refused", json!({ "user": 3, "reason": "password" })));
    let [class, type_uid, status, severity] =
        ["class_uid", "type_uid", "status_id", "severity_id"].map(|f| event[f].as_i64().unwrap());
    assert_eq!((class, type_uid, status, severity), (3002, 300_201, 2, 3));
    assert_eq!(event["user"]["uid"], "3");
    assert_eq!(event["time"], 1_772_445_600_123_i64);
    assert_eq!(
        event["unmapped"]["proof"],
        json!({ "log": "bank.example/log-1", "seq": 7, "leaf": "ab".repeat(32), "checkpoint": 9 })
    );
}

#[test]
fn what_ocsf_has_no_class_for_is_a_base_event() {
    let event = ocsf::event(&record("feed.closed", json!({ "source": 2 })));
    assert_eq!((event["class_uid"].as_i64(), event["type_uid"].as_i64()), (Some(0), Some(99)));
    assert_eq!(event["unmapped"]["body"]["source"], 2);
}

#[test]
fn cef_escapes_what_would_end_a_field() {
    let line = cef::line(&record("odd|kind", json!({ "text": "a=b\\c\nd" })));
    assert!(line.starts_with(&format!(
        "CEF:0|Counterfoil|Counterfoil|{}|odd\\|kind|odd\\|kind|1|rt=1772445600123 ",
        env!("CARGO_PKG_VERSION")
    )));
    // JSON has escaped the line's end; CEF escapes JSON's backslashes and the equals sign.
    assert!(line.ends_with(r#"msg={"text":"a\=b\\\\c\\nd"}"#), "{line}");
    assert!(!line.contains('\n'));
}

#[test]
fn a_syslog_message_is_that_of_rfc_5424() {
    let message = syslog::message(&record("alert.opened", json!({ "severity": "high" })), "text");
    let hash = "ab".repeat(32);
    assert_eq!(
        message,
        format!(
            "<106>1 2026-03-02T10:00:00.123456Z - counterfoil - alert.opened \
             [leaf@32473 log=\"bank.example/log-1\" seq=\"7\" hash=\"{hash}\" checkpoint=\"9\"] \u{feff}text"
        )
    );
}

/// The example of the Standard Webhooks specification's reference libraries.
#[test]
fn a_webhook_is_signed_as_others_verify_it() {
    use base64::Engine;
    let secret = base64::engine::general_purpose::STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
    let signed = signature(&secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
    assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}
