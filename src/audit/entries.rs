//! L3: what each entry says, against everything before it.

use std::collections::HashMap;
use std::sync::Arc;

use counterfoil_verify::EntryLeaf;

use crate::alerts::store::HitRow;
use crate::clock::{Moment, day_number, parse_date};
use crate::db::Conn;
use crate::detect::RuleSetBody;
use crate::ids::Seq;
use crate::intake::Map;
use crate::ledger::continuity::Strictness;
use crate::ledger::order::store::AsideRow;
use crate::ledger::store::entries_at;
use crate::ledger::{
    BREAK_EXPLAINED, Channel, Direction, Instrument, Kind, LookBacks, Movement, PAST_MAX, Past, Status, history,
};
use crate::money::Currency;
use crate::records::event::Public;
use crate::trail::store::{EventPartRow, EventRow};

use super::L3;
use super::asides;
use super::continuity::{self, Breaks};
use super::definitions::{AccountBody, SourceBody};
use super::event::Event;
use super::figures::Figures;
use super::findings::Findings;
use super::hits::{Deciding, Hits};
use super::joining::Joining;
use super::learned::{Learned, Learning};
use super::outcomes::Outcomes;
use super::passed::Account;
use super::ranges::Ranges;
use super::references::Defined;
use super::repeats::Repeats;
use super::reversed::Reversed;
use super::rows::{self, Rows};
use super::runs::Runs;
use super::settings::Settings;
use super::states::Stored;

/// Everything learned from the entries so far.
pub(super) struct Entries {
    pub(super) defined: Defined,
    pub(super) breaks: Breaks,
    pub(super) reversed: Reversed,
    pub(super) figures: Figures,
    pub(super) hits: Hits,
    pub(super) joining: Joining,
    pub(super) ranges: Ranges,
    pub(super) repeats: Repeats,
    pub(super) runs: Runs,
    pub(super) accounts: Map<Seq, Box<Account>>,
    settings: Settings,
    past: Pasts,
    pub(super) stored: Stored,
    source_names: HashMap<Seq, String>,
    /// Codes of currencies met so far.
    currencies: Vec<Arc<str>>,
}

/// What the tables say that must be known while the entries pass.
pub(super) struct Tables {
    pub(super) ranges: Ranges,
    pub(super) repeats: Repeats,
    pub(super) runs: Runs,
    pub(super) stored: Stored,
}

impl Tables {
    /// For the history of one account: none of them.
    pub(super) fn none(repeats: Repeats) -> Tables {
        Tables { ranges: Ranges::default(), repeats, runs: Runs::default(), stored: Stored::default() }
    }
}

/// Look-backs of late entries, over a connection of their own: what has a place does not change.
struct Pasts {
    conn: Conn,
    known: LookBacks,
}

impl Pasts {
    /// What lies before an entry on its account; `None` when it cannot be read, which others find.
    fn of(&mut self, row: &EntryLeaf<'_>) -> Option<Arc<Past>> {
        if let Some(past) = self.known.find(row.account) {
            return Some(past);
        }
        let mut entries = history::earlier(&mut self.conn, row.prev?, PAST_MAX).ok()?;
        entries.reverse();
        Some(self.known.remember(row.account, Past { entries }))
    }

    /// When the earlier entries were booked that hits of this one are named at; what cannot be read,
    /// others find.
    fn booked(&mut self, row: &EntryLeaf<'_>, outcomes: &Outcomes) -> HashMap<Seq, i64> {
        let named: Vec<Seq> = outcomes.hits().filter_map(|hit| hit.entry).filter(|seq| *seq != row.seq).collect();
        if named.is_empty() {
            return HashMap::new();
        }
        let found = entries_at(&mut self.conn, &named).unwrap_or_default();
        found.into_iter().map(|entry| (entry.seq, entry.booked_at)).collect()
    }
}

impl Entries {
    pub(super) fn new(conn: Conn, settings: Settings, tables: Tables) -> Entries {
        let Tables { ranges, repeats, runs, stored } = tables;
        Entries {
            defined: Defined::default(),
            breaks: Breaks::default(),
            reversed: Reversed::default(),
            figures: Figures::default(),
            hits: Hits::default(),
            joining: Joining::default(),
            ranges,
            repeats,
            past: Pasts { conn, known: LookBacks::default() },
            runs,
            accounts: Map::default(),
            settings,
            stored,
            source_names: HashMap::new(),
            currencies: Vec::new(),
        }
    }

    /// Learns what an event defines or changes.
    pub(super) fn define(&mut self, event: &EventRow, part: Option<&EventPartRow>, findings: &mut Findings) {
        self.defined.meet(&event.kind, event.seq);
        match event.kind.as_str() {
            "source.defined" => {
                if let Ok(body) = serde_json::from_str::<SourceBody>(&event.body) {
                    self.source_names.insert(event.seq, body.name);
                }
            }
            "account.defined" => self.define_account(event),
            "ruleset.defined" => {
                if let Ok(body) = serde_json::from_str::<RuleSetBody>(&event.body) {
                    self.joining.rules(event.seq, &body);
                }
            }
            "program.started" => self.started(&Event::read(event, part)),
            "alert.opened" | "alert.joined" | "alert.closed" => {
                let hits = self.joining.meet(&Event::read(event, part), findings);
                self.hits.opened(event.seq, &hits, findings);
            }
            BREAK_EXPLAINED => self.breaks.explained(&Event::read(event, part)),
            _ => {}
        }
    }

    fn define_account(&mut self, event: &EventRow) {
        let Ok(body) = serde_json::from_str::<AccountBody>(&event.body) else { return };
        let how = self.strictness(body.source, &body.currency);
        let currency = self.currency(&body.currency).cloned().unwrap_or_else(|| body.currency.as_str().into());
        let account = Account::new((body.source, currency), how, self.stored.as_of(event.seq));
        self.accounts.insert(event.seq, Box::new(account));
    }

    /// Other settings may have come into force.
    fn started(&mut self, event: &Event) {
        if self.settings.meet(&event.body) {
            for account in self.accounts.values_mut() {
                let source = self.source_names.get(&account.source).map_or("", String::as_str);
                account.how = self.settings.of(source, &account.currency);
            }
        }
    }

    /// Currencies are few, and reading one costs more than remembering it.
    fn currency(&mut self, code: &str) -> Option<&Arc<str>> {
        let known = self.currencies.iter().position(|known| **known == *code);
        let at = known.unwrap_or(self.currencies.len());
        if known.is_none() && Currency::parse(code).is_ok() {
            self.currencies.push(code.into());
        }
        self.currencies.get(at)
    }

    fn strictness(&self, source: Seq, currency: &str) -> Strictness {
        self.settings.of(self.source_names.get(&source).map_or("", String::as_str), currency)
    }

    /// What rules may reach back to, from the stored rule sets.
    pub(super) fn set_reach(&mut self, bodies: &[String]) {
        self.stored = Stored::reaching(bodies);
    }

    /// Checks the next entry of its account, apart from the rest of the log; `aside` is the row of the
    /// table at its place.
    pub(super) fn check_alone(
        &mut self,
        row: &EntryLeaf<'_>,
        hits: &[HitRow],
        aside: Option<&AsideRow>,
        findings: &mut Findings,
    ) {
        let outcomes = Entries::outcomes(row, findings);
        let booked = self.past.booked(row, &outcomes);
        let deciding = Deciding {
            seq: row.seq,
            rules: row.rules,
            account: row.account,
            booked_at: row.booked_at,
            business_date: row.business_date,
        };
        self.hits.compare(&deciding, (&outcomes, &booked), hits, &mut self.joining, findings);
        let entry = self.movement(row, findings);
        let expected = self.follow(row, entry.as_ref(), &outcomes, findings);
        asides::compare(row.seq, aside, expected.as_ref(), findings);
    }

    /// Checks what was decided with a change of a record against the hits at its place.
    pub(super) fn check_change(&mut self, event: &EventRow, hits: &[HitRow], findings: &mut Findings) {
        let said = Public::read(&event.body);
        let Some(Public { record, rules, outcomes, at, date, .. }) = said else {
            return hits.iter().for_each(|hit| self.hits.stray(hit, findings));
        };
        if rules.is_some_and(|rules| !self.joining.knows(rules)) {
            let text = "it names a rule set that was not defined before it";
            findings.add((L3, "rules_unknown"), "events", event.seq, text);
        }
        let deciding = Deciding {
            seq: event.seq,
            rules: rules.unwrap_or(-1),
            account: record,
            booked_at: Moment::parse(&at).map_or(i64::MIN, |at| at.0),
            business_date: parse_date(&date).map(day_number).unwrap_or_default(),
        };
        let outcomes = Outcomes::of_change(outcomes);
        self.hits.compare(&deciding, (&outcomes, &HashMap::new()), hits, &mut self.joining, findings);
    }

    fn outcomes(row: &EntryLeaf<'_>, findings: &mut Findings) -> Outcomes {
        Outcomes::read(row.outcomes).unwrap_or_else(|_| {
            findings.add((L3, "outcomes_unreadable"), "entries", row.seq, "the outcomes cannot be read");
            Outcomes::default()
        })
    }

    fn movement(&mut self, row: &EntryLeaf<'_>, findings: &mut Findings) -> Option<Movement> {
        let entry = movement(row).filter(|_| self.currency(row.currency).is_some());
        if entry.is_none() {
            let text = "a kind, direction, status, channel, instrument or amount that cannot be";
            findings.add((L3, "code_unknown"), "entries", row.seq, text);
        }
        entry
    }

    /// What readers learn by.
    pub(super) fn learning(&self) -> Learning {
        Learning::new(&self.repeats, &self.runs)
    }

    /// Adds what was learned of entries without their order.
    pub(super) fn merge(&mut self, learned: Learned) {
        self.repeats.merge(&learned.repeats);
        self.runs.merge(&learned.runs);
        self.figures.merge(learned.figures);
    }

    /// Reads what the next entries, from `at` on, will be checked with, so that it is near then: one
    /// account after the other would be waited for.
    pub(super) fn approach(&self, rows: &Rows, at: &rows::At) {
        let near: Vec<&Account> = rows.accounts(at).iter().filter_map(|id| Some(&**self.accounts.get(id)?)).collect();
        let here = near.iter().fold(0, |read, account| read ^ account.touch());
        let beyond = near.iter().fold(0, |read, account| read ^ account.state.touch_beyond());
        std::hint::black_box((here, beyond));
    }

    /// Checks the next entry of the log; `hits` and `aside` are the rows of the tables at its place.
    pub(super) fn check(&mut self, row: &EntryLeaf<'_>, hits: &[HitRow], aside: Option<&AsideRow>, findings: &mut Findings) {
        self.ranges.meet(row.business_date, row.seq, findings);
        self.references(row, findings);
        self.check_alone(row, hits, aside, findings);
    }

    /// Places the entry on its account and replays continuity; answers what there is to say when it is
    /// not in order of booked time.
    fn follow(
        &mut self,
        row: &EntryLeaf<'_>,
        entry: Option<&Movement>,
        outcomes: &Outcomes,
        findings: &mut Findings,
    ) -> Option<AsideRow> {
        let Some(account) = self.accounts.get_mut(&row.account) else {
            findings.add((L3, "reference_unknown"), "entries", row.seq, "account: no event before it defined it");
            return None;
        };
        account.place(row, entry.is_some(), findings);
        let entry = entry?;
        let how = match account.source == row.source {
            true => account.how,
            false => self.settings.of(self.source_names.get(&row.source).map_or("", String::as_str), row.currency),
        };
        if account.stored_to < Some(row.seq) && account.uncovered.is_none() {
            account.uncovered = Some(row.seq);
            account.as_stored = account.stored_to.map(|_| Box::new(account.state.clone()));
        }
        let wanted = account.state.continuity.wants_past(entry, how);
        let past = if wanted { self.past.of(row) } else { None };
        self.past.known.learn(row.account, entry);
        let aside = account.state.append(row.seq, entry.moved_at()).aside;
        let (date, reach) = (row.business_date, self.stored.reach());
        let changes = account.state.learn(entry, date, how, reach, past.as_deref());
        let foreign = row.source != account.source && entry.status == Status::Booked;
        if (!changes.is_empty() || row.outcomes.is_some() || foreign)
            && let Some(detail) = continuity::difference(row.seq, &changes, foreign, outcomes)
        {
            findings.add((L3, "continuity_differs"), "entries", row.seq, detail);
        }
        self.breaks.learn(row, outcomes, &self.settings);
        self.reversed.learn(row);
        aside.map(|aside| aside.row(row.seq, row.account))
    }

    fn references(&self, row: &EntryLeaf<'_>, findings: &mut Findings) {
        let defined = &self.defined;
        let lists = [
            ("source", &defined.sources, row.source),
            ("context", &defined.contexts, row.context),
            ("delivery", &defined.deliveries, row.delivery),
            ("rules", &defined.rule_sets, row.rules),
        ];
        for (name, list, seq) in lists {
            if !list.contains(&seq) {
                findings.add((L3, "reference_unknown"), "entries", row.seq, format!("{name}: no event before it defined it"));
            }
        }
    }
}

/// What continuity needs of an entry; `None` when a code or amount cannot be.
fn movement(row: &EntryLeaf<'_>) -> Option<Movement> {
    if row.amount < 0 || (row.balance_before.is_some() && row.balance_after.is_none()) {
        return None;
    }
    Kind::from_code(row.kind)?;
    is_known(row.channel, Channel::from_code).then_some(())?;
    is_known(row.instrument, Instrument::from_code).then_some(())?;
    Some(Movement {
        seq: row.seq,
        booked_at: row.booked_at,
        account_seq: row.account_seq,
        amount: row.amount,
        direction: Direction::from_code(row.direction)?,
        balance_before: row.balance_before,
        balance_after: row.balance_after,
        status: Status::from_code(row.status)?,
    })
}

/// A code that may be absent but not unknown.
fn is_known<T>(code: Option<i16>, read: fn(i16) -> Option<T>) -> bool {
    code.is_none_or(|code| read(code).is_some())
}
