//! What these stories share.

use counterfoil::audit::{Given, Options, Outcome, verify};
use counterfoil::records::{ChangeResult, Recorder, Row, Sender};
use serde_json::{Value, json};

use crate::bank::Bank;

/// A change of customer C-1, with what else is to be said of it.
pub fn change(reference: &str, more: Value) -> Value {
    let mut row = json!({ "source_ref": reference, "type": "customer", "id": "C-1", "action": "update", "actor": "john_doe" });
    row.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    row
}

/// Records changes for a source, without a server.
pub fn record_as(bank: &Bank, source: i64, rows: &[Value]) -> Vec<ChangeResult> {
    let recorder = Recorder::new(&bank.config, bank.db.address());
    let sender = Sender { source, key: None, origin: Some("192.0.2.9".into()) };
    let row = |(value, line): (&Value, u64)| Row::read(line, value.to_string().as_bytes(), &recorder.kinds);
    let rows: Vec<Row> = rows.iter().zip(1..).map(row).collect();
    bank.intake.log().act(move |tx| recorder.run(tx, &sender, &rows)).unwrap()
}

/// The whole database held against its log.
pub fn verified(bank: &Bank) -> Outcome {
    let options = Options { config: &bank.config, now: bank.clock.now(), progress: &|_, _| {}, given: Given::NONE };
    verify(&bank.db, options).unwrap()
}
