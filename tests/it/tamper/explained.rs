//! Of the book: breaks that two officers explained, of an entry and of a record.

use counterfoil::access::{Role, users};
use counterfoil::alerts::breaks::{self, BreakFilter};
use counterfoil::app::BreakName;
use counterfoil::approvals::{self, Deciding, Decision};
use counterfoil::ledger::{BreakKind, BreakState};
use counterfoil::{alerts, records};
use serde_json::json;

use crate::bank::Bank;

pub fn explained(bank: &Bank) {
    let log = bank.intake.log();
    let officer = |name: &str| {
        users::add(&log, &bank.clock, &format!("{name}@bank.example"), Role::Officer, "correct horse battery").unwrap()
    };
    let (one, two) = (officer("explains"), officer("agrees"));
    let open = BreakFilter { state: Some(BreakState::Open), ..BreakFilter::default() };
    let of_entry = bank.db.read(|conn| breaks::list(conn, &open, None, 1)).unwrap().remove(0).found;
    let of_record = bank.db.read(|conn| records::store::breaks_newest(conn, 10)).unwrap().remove(0).seq;
    for name in [BreakName { seq: of_entry.seq, kind: of_entry.kind }, BreakName { seq: of_record, kind: BreakKind::Record }] {
        let reason = "The slip of the branch shows what it was.".to_owned();
        let submission = bank.db.read(|conn| name.explanation(conn, reason.clone(), one, json!({}))).unwrap();
        let id = approvals::submit(&log, submission).unwrap();
        let deciding = Deciding { id, decision: Decision::Approve, comment: reason, user: two, whence: json!({}) };
        approvals::decide(&log, deciding).unwrap();
        let proposal = bank.db.read(|conn| approvals::find(conn, id)).unwrap().unwrap();
        let explain = if name.kind == BreakKind::Record { records::explain::explain } else { alerts::explain::explain };
        log.act(move |tx| explain(tx, &proposal)).unwrap();
    }
}
