//! What follows from what was decided: breaks are opened and closed, hits find their alerts.

use crate::alerts::store::HitRow;
use crate::clock::{Moment, day_number};
use crate::db::DbResult;
use crate::detect::{Mode, Outcome};
use crate::ids::Seq;
use crate::ledger::continuity::Changes;
use crate::ledger::store::BreakRow;
use crate::ledger::{BreakKind, BreakState};
use crate::money::Currency;

use super::ReceiptHit;
use super::alerting::Found;
use super::engine::Engine;
use super::evaluate::From;
use super::outcomes::evidence_text;

/// An entry that has its place, as far as its breaks and hits need to know it.
#[derive(Clone, Copy)]
pub(super) struct Recorded {
    pub seq: Seq,
    pub recorded_at: i64,
    pub account: Seq,
    pub currency: Currency,
    pub booked_at: Moment,
    pub business_date: i32,
}

impl Engine {
    pub fn open_breaks(&mut self, row: Recorded, changes: &Changes) {
        if changes.is_empty() {
            return;
        }
        for found in &changes.opened {
            self.open.open_break(BreakRow {
                seq: found.seq,
                kind: found.kind.code(),
                account: row.account,
                currency: row.currency.code().to_owned(),
                state: BreakState::Open.code(),
                expected: found.expected,
                found: found.found,
                business_date: row.business_date,
                opened_by: row.seq,
                opened_at: row.recorded_at,
                due_at: self.due_at(row),
                closed_by: None,
                alert: None,
            });
        }
        for (seq, kind) in &changes.healed {
            self.open.close_break(*seq, *kind, BreakState::Healed, row.seq);
        }
        for seq in &changes.frozen {
            self.open.close_break(*seq, BreakKind::Chain, BreakState::Frozen, row.seq);
        }
    }

    /// Sources that know dates only get until the end of the business date.
    fn due_at(&self, row: Recorded) -> i64 {
        let due = row.recorded_at.saturating_add(self.settings.grace);
        let calendar = &self.settings.calendar;
        let date = calendar.local_date(row.booked_at);
        let (midnight, _) = calendar.window(date);
        if midnight != row.booked_at || day_number(date) != row.business_date {
            return due;
        }
        due.max(calendar.window(date).1.0)
    }

    /// Stores hits and lets them join their alerts; answers them for the receipt.
    pub fn raise(&mut self, from: &From<'_>, row: Recorded, found: Vec<(usize, Outcome)>) -> DbResult<Vec<ReceiptHit>> {
        if found.is_empty() {
            return Ok(Vec::new());
        }
        let rules = self.rules.clone();
        let mut receipt = Vec::new();
        for (i, outcome) in found {
            let (rule, Outcome::Hits(hits)) = (&rules.rules[i], outcome) else { continue };
            for hit in hits {
                let (business_date, booked_at) = self.named(hit.seq, row)?;
                let mut alert = None;
                if rule.mode == Mode::Live {
                    let recipients: &[String] = if from.history { &[] } else { &self.settings.alerts_to };
                    let evidence = &hit.evidence;
                    let hit =
                        Found { rule, rules: rules.id, account: row.account, seq: hit.seq, booked_at, business_date, evidence };
                    let mut to = Engine::growing(&mut self.tail, &self.settings, &mut self.open);
                    alert = Some(self.alerting.join(&mut to, &mut self.conn, recipients, &self.settings.calendar, &hit)?);
                }
                let evidence = evidence_text(&hit.evidence)?;
                self.open.hits.push(HitRow {
                    seq: hit.seq,
                    rule: rule.rule.code().to_owned(),
                    rules: rules.id,
                    account: row.account,
                    business_date,
                    severity: rule.severity.code(),
                    late: i16::from(hit.late),
                    decided_by: row.seq,
                    alert: alert.as_ref().map(|a| a.id),
                    evidence,
                });
                let (rule, severity) = (rule.rule.code().to_owned(), rule.severity.text().to_owned());
                receipt.push(ReceiptHit { rule, severity, alert: alert.map(|a| a.reference) });
            }
        }
        Ok(receipt)
    }

    /// Business date and time of the entry that a hit is named at: a late entry may have decided it.
    fn named(&mut self, seq: Seq, row: Recorded) -> DbResult<(i32, Moment)> {
        let stored = if seq == row.seq { None } else { self.stored(seq)? };
        Ok(stored.map_or((row.business_date, row.booked_at), |(found, _)| (found.business_date, Moment(found.booked_at))))
    }
}
