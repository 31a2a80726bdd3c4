//! From a submitted row to what is known of it: read or refused, new or recorded before.

use crate::clock::day_number;
use crate::db::DbResult;
use crate::ids::{Seq, is_erased_number};
use crate::ledger::continuity::Strictness;
use crate::ledger::{NewEntry, Refusal};
use crate::money::Currency;
use crate::trail::sealing::Fields;

use super::accounts::Slot;
use super::ahead::{AHEAD, Ahead};
use super::engine::Engine;
use super::figures::FigureKey;
use super::maps::{At, Map};
use super::references::RefKey;
use super::refusals::RefusedRow;
use super::{Delivery, DeliveryKind, Receipt, Row, RowResult, Submission, Told, sensitive};

/// What is known of a row before anything is changed.
enum Checked {
    New(Fresh),
    Duplicate(Receipt),
    /// The same as an earlier row of the same unit.
    SameAs(usize),
    Rejected(Refusal),
}

/// What was looked up of an entry that is new.
#[derive(Clone, Copy)]
pub(super) struct Fresh {
    pub key: RefKey,
    pub business_date: i32,
    /// Its account, unless that was not defined yet.
    pub account: Option<Slot>,
    /// The day's figure it counts in.
    pub figure: At,
}

/// Where an entry comes from, for every row of a submission.
pub(super) struct From<'a> {
    pub source: Seq,
    pub delivery: &'a Delivery,
    pub history: bool,
    /// The source's name.
    pub name: String,
    /// The delivery's id, once it was looked up.
    pub delivery_id: Option<Seq>,
    /// Private fields that are sealed.
    pub sensitive: Fields,
    /// How strictly the currency of the row before is checked.
    pub strictness: Option<(Currency, Strictness)>,
    /// What was found out of its rows so far, in their order.
    ahead: Vec<Ahead>,
}

/// A refused row, until the submission's event tells of it: its line, its result, its bytes.
type Unread = (u64, usize, Vec<u8>);

impl Engine {
    /// What became of the rows of a submission, were the open batch committed; in case of an error, of
    /// those before it.
    pub fn evaluate(&mut self, submission: &mut Submission, results: &mut Vec<RowResult>) -> DbResult<()> {
        self.tick();
        let Submission { source, ref delivery, ref mut rows, atomic, history, .. } = *submission;
        let name = self.sources.get(&source).cloned().unwrap_or_default();
        let mut from = From {
            source,
            delivery,
            history,
            sensitive: self.settings.sensitive(&name),
            name,
            delivery_id: None,
            strictness: None,
            ahead: Vec::with_capacity(rows.len()),
        };
        results.reserve(rows.len());
        let mut refused: Vec<Unread> = Vec::new();
        let mut rest = rows.as_mut_slice();
        while !rest.is_empty() {
            let (rows, known) = (unit_rows(rest, atomic), from.ahead.len() - results.len());
            if known < rows {
                let next = &rest[known..(known + AHEAD.max(rows)).min(rest.len())];
                self.look_ahead(source, next, &mut from.ahead)?;
            }
            let (unit, after) = rest.split_at_mut(rows);
            match unit {
                [row] => {
                    let result = self.record_alone(&mut from, row, results.len(), &mut refused)?;
                    results.push(result);
                }
                unit => self.record_unit(&mut from, unit, atomic, results, &mut refused)?,
            }
            rest = after;
        }
        if !refused.is_empty() {
            self.tell_refusals(&from, results, &refused)?;
        }
        Ok(())
    }

    /// Records a row that depends on no other.
    fn record_alone(
        &mut self,
        from: &mut From<'_>,
        row: &mut Row,
        number: usize,
        refused: &mut Vec<Unread>,
    ) -> DbResult<RowResult> {
        let entry = match &mut row.entry {
            Ok(entry) => entry,
            Err(unread) => {
                refused.push((row.line, number, sensitive::kept_of_unread(&unread.bytes, from.sensitive)));
                return Ok(RowResult::Rejected(unread.refusal.clone()));
            }
        };
        if let DeliveryKind::Approval { forced } = from.delivery.kind
            && let Some(refusal) = self.complete_reversal(entry, forced)?
        {
            refused.push((row.line, number, sensitive::kept_of_entry(entry, from.sensitive)?));
            return Ok(RowResult::Rejected(refusal));
        }
        Ok(match self.check(from, entry, number, i128::from(entry.amount))? {
            Checked::New(fresh) => RowResult::Recorded(self.record(from, entry, fresh)?),
            Checked::Duplicate(receipt) => RowResult::Duplicate(receipt),
            Checked::SameAs(_) => RowResult::Rejected(together(false)),
            Checked::Rejected(refusal) => {
                refused.push((row.line, number, sensitive::kept_of_entry(entry, from.sensitive)?));
                RowResult::Rejected(refusal)
            }
        })
    }

    /// Records the rows of one unit, all or none of them.
    fn record_unit(
        &mut self,
        from: &mut From<'_>,
        unit: &mut [Row],
        atomic: bool,
        results: &mut Vec<RowResult>,
        refused: &mut Vec<Unread>,
    ) -> DbResult<()> {
        let first = results.len();
        let checked = self.check_unit(from, unit, first)?;
        let spoilt = checked.iter().any(|c| matches!(c, Checked::Rejected(_)));
        for (i, (row, checked)) in unit.iter_mut().zip(checked).enumerate() {
            let result = match checked {
                Checked::Rejected(refusal) => {
                    refused.push((row.line, first + i, sensitive::kept_of(&row.entry, from.sensitive)?));
                    RowResult::Rejected(refusal)
                }
                _ if spoilt => RowResult::Rejected(together(atomic)),
                Checked::Duplicate(receipt) => RowResult::Duplicate(receipt),
                Checked::SameAs(earlier) => match &results[first + earlier] {
                    RowResult::Recorded(receipt) | RowResult::Duplicate(receipt) => RowResult::Duplicate(receipt.clone()),
                    RowResult::Rejected(refusal) => RowResult::Rejected(refusal.clone()),
                },
                Checked::New(fresh) => match &mut row.entry {
                    Ok(entry) => RowResult::Recorded(self.record(from, entry, fresh)?),
                    Err(unread) => RowResult::Rejected(unread.refusal.clone()),
                },
            };
            results.push(result);
        }
        Ok(())
    }

    /// Checks the rows of a unit against what is stored and against each other, changing nothing.
    fn check_unit(&mut self, from: &From<'_>, unit: &[Row], first: usize) -> DbResult<Vec<Checked>> {
        let total: i128 = unit.iter().filter_map(|r| r.entry.as_ref().ok()).map(|e| i128::from(e.amount)).sum();
        let mut seen: Map<RefKey, usize> = Map::default();
        let mut currencies: Map<&str, Currency> = Map::default();
        let mut checked = Vec::with_capacity(unit.len());
        for (i, row) in unit.iter().enumerate() {
            let entry = match &row.entry {
                Ok(entry) => entry,
                Err(unread) => {
                    checked.push(Checked::Rejected(unread.refusal.clone()));
                    continue;
                }
            };
            let mut outcome = self.check(from, entry, first + i, total)?;
            if let Checked::New(Fresh { key, .. }) = outcome {
                if let Some(earlier) = seen.get(&key).copied() {
                    outcome = match &unit[earlier].entry {
                        Ok(other) if other == entry => Checked::SameAs(earlier),
                        _ => Checked::Rejected(Refusal::conflict(
                            None,
                            format!(
                                "source_ref was already used by line {} with other content; use a new one",
                                unit[earlier].line
                            ),
                        )),
                    };
                } else {
                    seen.insert(key, i);
                }
                let first = *currencies.entry(entry.account.as_str()).or_insert(entry.currency);
                if first != entry.currency {
                    outcome = Checked::Rejected(currency_mismatch(Some(first), entry.currency));
                }
            }
            checked.push(outcome);
        }
        Ok(checked)
    }

    /// Checks the row with this number of the submission.
    fn check(&mut self, from: &From<'_>, entry: &NewEntry, number: usize, total: i128) -> DbResult<Checked> {
        let Ahead { key, account, ref closed } = from.ahead[number];
        for seq in self.references.find_open(key).into_iter().chain(closed.iter().copied()) {
            if let Some(checked) = self.compare(from, entry, seq)? {
                return Ok(checked);
            }
        }
        if let Some(refusal) = self.reversed_before(from, entry)? {
            return Ok(Checked::Rejected(refusal));
        }
        if !from.sensitive.is_empty()
            && let Some(refusal) = self.refuse_unsealed(from.sensitive, entry)?
        {
            return Ok(Checked::Rejected(refusal));
        }
        let account = account.map_or_else(|| self.account(&entry.account), |at| Ok(Some(at)))?;
        if let Some(state) = account.map(|at| self.accounts.get(at))
            && state.currency != entry.currency
        {
            let kept_in = Some(state.currency).filter(|_| state.source == from.source);
            return Ok(Checked::Rejected(currency_mismatch(kept_in, entry.currency)));
        }
        let date = entry.business_date.unwrap_or_else(|| self.settings.calendar.business_date(entry.booked_at));
        let at = self.figures.at(&mut self.conn, FigureKey::of(from.source, entry, date))?;
        let figure = self.figures.get(at);
        let sums = [figure.credits, figure.debits].map(|sum| i128::from(sum) + total);
        if sums.iter().any(|sum| *sum > i128::from(i64::MAX)) {
            let detail = "the sums of this business date would no longer fit in 63 bits of minor units";
            return Ok(Checked::Rejected(Refusal::field("amount_too_large", "amount", detail)));
        }
        Ok(Checked::New(Fresh { key, business_date: date, account, figure: at }))
    }

    /// Compares with the entry at `seq`: `None` if that has another reference after all.
    fn compare(&mut self, from: &From<'_>, entry: &NewEntry, seq: Seq) -> DbResult<Option<Checked>> {
        if let Some(checked) = self.compare_rehearsed(entry, seq) {
            return Ok(Some(checked));
        }
        let Some((row, part)) = self.stored(seq)? else { return Ok(None) };
        if row.source != from.source || row.source_ref != entry.source_ref {
            return Ok(None);
        }
        let context = self.context_again(&row, &entry.context)?;
        let number = self.number_again(&row, &entry.account)?;
        let parts = self.parts_to_compare(&row, part, &entry.parts)?;
        // What was erased cannot be compared; the rest decides.
        let number = if is_erased_number(&number) { entry.account.clone() } else { number };
        let context = if self.is_context_erased(row.context, &context)? { entry.context.clone() } else { context };
        let mut same = row.to_entry(&number, context, parts)?;
        // A date that is stated as the one we derived, or left to us to derive the same, is no change.
        let derived = || self.settings.calendar.business_date(entry.booked_at);
        if entry.business_date.unwrap_or_else(derived) == row.business_date {
            same.business_date = entry.business_date;
        }
        // What was recorded before card numbers were masked is no conflict either.
        same.mask_cards();
        if same != *entry {
            return Ok(Some(Checked::Rejected(conflict(seq))));
        }
        let receipt = self.receipt_again(&row, &entry.account)?;
        Ok(Some(Checked::Duplicate(Receipt { masked: entry.masked_cards(), ..receipt })))
    }

    /// In a dry run: compares with an entry that would have been recorded before.
    fn compare_rehearsed(&self, entry: &NewEntry, seq: Seq) -> Option<Checked> {
        let rehearsed = self.rehearsed.as_ref()?;
        let date = entry.business_date.unwrap_or_else(|| self.settings.calendar.business_date(entry.booked_at));
        let same = rehearsed.same(seq, entry, date)?;
        let (hits, breaks) = (Vec::new(), Vec::new());
        let masked = entry.masked_cards();
        let receipt = Receipt { seq, leaf: [0; 32], position: 0, hits, breaks, told: Told::All, masked };
        Some(if same { Checked::Duplicate(receipt) } else { Checked::Rejected(conflict(seq)) })
    }

    fn tell_refusals(&mut self, from: &From<'_>, results: &[RowResult], refused: &[(u64, usize, Vec<u8>)]) -> DbResult<()> {
        let mut to = Engine::growing(&mut self.tail, &self.settings, &mut self.open);
        let delivery = self.dictionary.delivery(&mut to, &mut self.conn, from.source, from.delivery)?;
        let today = day_number(self.settings.calendar.local_date(to.tail.recorded_at()));
        let mut rows = Vec::with_capacity(refused.len());
        for (line, i, bytes) in refused {
            if let RowResult::Rejected(refusal) = &results[*i] {
                *to.batch.refusals.entry((today, from.source, refusal.code)).or_default() += 1;
                rows.push(RefusedRow { line: *line, refusal, bytes });
            }
        }
        self.refusals.tell(&mut to, from.source, delivery, today, &rows)
    }
}

/// How many of these rows are recorded together: the first with those tied to it; in an atomic
/// submission, all.
fn unit_rows(rows: &[Row], atomic: bool) -> usize {
    if atomic {
        return rows.len();
    }
    let last = rows.iter().position(|row| !row.with_next);
    last.map_or(rows.len(), |last| last + 1)
}

fn together(atomic: bool) -> Refusal {
    let (code, detail) = if atomic {
        ("atomic_aborted", "not recorded, because another row of this atomic request was refused")
    } else {
        ("paired_row_refused", "not recorded, because the entry it belongs together with was refused")
    };
    Refusal::whole(code, detail)
}

fn conflict(first: Seq) -> Refusal {
    Refusal::conflict(Some(first), format!("source_ref was already used for entry {first} with other content; use a new one"))
}

/// `account` is its currency, if the sender may know.
fn currency_mismatch(account: Option<Currency>, sent: Currency) -> Refusal {
    let kept = account.map_or_else(|| "another currency".to_owned(), |currency| currency.to_string());
    let detail = format!("the account is kept in {kept}; an entry in {sent} cannot be recorded on it");
    Refusal::field("currency_mismatch", "currency", detail)
}
