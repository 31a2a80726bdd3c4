//! The values behind the test vectors of `docs/log-format.md`.

use std::fmt::Write as _;

use counterfoil_verify::{EntryLeaf, EventLeaf, Hash, commitment, leaf};

pub const ORIGIN: &str = "bank.example/trail/prod";

/// 2024-03-01T09:30:00.000001Z.
const MORNING: i64 = 1_709_285_400_000_001;
const DAY: i32 = 19_783;

pub const ENTRY_PARTS: [Option<&str>; 5] = [Some("Jane Roe"), Some("DE02120300000000202051"), Some("Zoë Müller"), None, Some("")];
pub const EVENT_PARTS: [Option<&str>; 1] = [Some(r#"{"actor":"j.roe"}"#)];

const BLIND: [u8; 16] = counted(0xF0);

pub const fn counted<const N: usize>(first: u8) -> [u8; N] {
    let mut bytes = [first; N];
    let mut i = 0;
    while i < N {
        bytes[i] = first + i as u8;
        i += 1;
    }
    bytes
}

pub fn entry_blind() -> Hash {
    commitment(&counted(0x00), &ENTRY_PARTS).unwrap()
}

pub fn event_blind() -> Hash {
    commitment(&counted(0x40), &EVENT_PARTS).unwrap()
}

/// An entry with every field.
pub const fn full(blind: &[u8]) -> EntryLeaf<'_> {
    EntryLeaf {
        seq: 1_000_000_007,
        recorded_at: MORNING + 42,
        source: 1,
        source_ref: "core-2024-000123",
        account: 17,
        position: 7,
        prev: Some(1_000_000_003),
        jump: Some(1_000_000_001),
        kind: 3,
        direction: -1,
        amount: 125_000,
        currency: "EUR",
        balance_before: Some(100_000),
        balance_after: Some(-25_000),
        booked_at: MORNING,
        value_date: Some(DAY + 1),
        business_date: DAY,
        flags: 1,
        transaction_ref: Some("TX-77/Ö"),
        account_seq: Some(7),
        context: 18,
        delivery: 19,
        channel: Some(3),
        instrument: Some(2),
        status: 1,
        reverses: Some("core-2024-000122"),
        rules: 2,
        outcomes: Some(r#"[{"rule":"large","version":1,"band":"high"}]"#),
        blind,
    }
}

/// An entry with nothing that may be left out.
pub const fn bare() -> EntryLeaf<'static> {
    EntryLeaf {
        seq: 2,
        recorded_at: MORNING,
        source: 1,
        source_ref: "",
        account: 1,
        position: 1,
        prev: None,
        jump: None,
        kind: 1,
        direction: 1,
        amount: 0,
        currency: "JPY",
        balance_before: None,
        balance_after: None,
        booked_at: -1,
        value_date: None,
        business_date: -1,
        flags: 0,
        transaction_ref: None,
        account_seq: None,
        context: 1,
        delivery: 1,
        channel: None,
        instrument: None,
        status: 2,
        reverses: None,
        rules: 1,
        outcomes: None,
        blind: &BLIND,
    }
}

pub const fn event(blind: &[u8]) -> EventLeaf<'_> {
    EventLeaf {
        seq: 0,
        recorded_at: MORNING,
        kind: "log.created",
        body: r#"{"origin":"bank.example/trail/prod","format":1}"#,
        blind,
    }
}

pub fn entry_bytes(entry: &EntryLeaf<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    entry.encode(ORIGIN, &mut out).unwrap();
    out
}

pub fn event_bytes(event: &EventLeaf<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    event.encode(ORIGIN, &mut out).unwrap();
    out
}

pub fn entry_hash(entry: &EntryLeaf<'_>) -> Hash {
    leaf::hash(&entry_bytes(entry))
}

/// A field's name and value: the value as its bytes, and as people read it.
pub type Field = (&'static str, Option<Vec<u8>>, String);

fn int(name: &'static str, value: Option<i64>) -> Field {
    let bytes = value.map(|v| v.to_be_bytes().to_vec());
    let shown = value.map_or("null".into(), |v| v.to_string());
    (name, bytes, shown)
}

fn text(name: &'static str, value: Option<&str>) -> Field {
    let shown = value.map_or("null".into(), |v| format!("\"{v}\""));
    (name, value.map(|v| v.as_bytes().to_vec()), shown)
}

fn blind(value: &[u8]) -> Field {
    ("blind", Some(value.to_vec()), hex::encode(value))
}

/// The fields of an entry's leaf, written a second time.
pub fn entry_fields(e: &EntryLeaf<'_>) -> Vec<Field> {
    vec![
        text("origin", Some(ORIGIN)),
        text("word", Some("entry")),
        int("seq", Some(e.seq)),
        int("recorded_at", Some(e.recorded_at)),
        int("source", Some(e.source)),
        text("source_ref", Some(e.source_ref)),
        int("account", Some(e.account)),
        int("position", Some(e.position)),
        int("prev", e.prev),
        int("jump", e.jump),
        int("kind", Some(e.kind.into())),
        int("direction", Some(e.direction.into())),
        int("amount", Some(e.amount)),
        text("currency", Some(e.currency)),
        int("balance_before", e.balance_before),
        int("balance_after", e.balance_after),
        int("booked_at", Some(e.booked_at)),
        int("value_date", e.value_date.map(Into::into)),
        int("business_date", Some(e.business_date.into())),
        int("flags", Some(e.flags.into())),
        text("transaction_ref", e.transaction_ref),
        int("account_seq", e.account_seq),
        int("context", Some(e.context)),
        int("delivery", Some(e.delivery)),
        int("channel", e.channel.map(Into::into)),
        int("instrument", e.instrument.map(Into::into)),
        int("status", Some(e.status.into())),
        text("reverses", e.reverses),
        int("rules", Some(e.rules)),
        text("outcomes", e.outcomes),
        blind(e.blind),
    ]
}

pub fn event_fields(e: &EventLeaf<'_>) -> Vec<Field> {
    vec![
        text("origin", Some(ORIGIN)),
        text("word", Some("event")),
        int("seq", Some(e.seq)),
        int("recorded_at", Some(e.recorded_at)),
        text("kind", Some(e.kind)),
        text("body", Some(e.body)),
        blind(e.blind),
    ]
}

/// The fields one a line, as the document prints them.
pub fn listing(fields: &[Field]) -> String {
    let mut out = String::new();
    for (name, _, shown) in fields {
        writeln!(out, "{name:<15} {shown}").unwrap();
    }
    out
}
