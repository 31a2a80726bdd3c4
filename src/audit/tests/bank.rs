//! A log as the sequencer would write it, made by hand: three accounts, breaks that stay open and
//! one that heals, hits with alerts, one of them late.

use std::collections::{BTreeMap, HashMap};

use counterfoil_verify::{Tiles, commitment, leaf::jump_position};
use serde_json::{Value, json};

use super::rows::{alert_row, due_at, entry, outcomes, row};
use crate::alerts::store::{AlertRow, HitRow};
use crate::audit::store::{FigureRow, RangeRow, RuleSetRow};
use crate::clock::{Clock, HOUR, MINUTE, Moment};
use crate::db::{Conn, Db, bulk, migrate};
use crate::detect::RuleSetBody;
use crate::intake::{Delivery, DeliveryKind, context_fingerprint, delivery_fingerprint};
use crate::ledger::continuity::{AccountContinuity, Changes, Strictness};
use crate::ledger::order::store::AsideRow;
use crate::ledger::store::{AccountRow, BreakRow, ContextRow, DeliveryRow, EntryPartRow, EntryRow, SourceRow};
use crate::ledger::{BreakKind, BreakState, Context, Movement, Parts};
use crate::trail::store::{self as trail, EventPartRow, EventRow};
use crate::trail::{NewEvent, Tail};

const START: i64 = 1_767_225_600_000_000; // 2026-01-01T00:00:00Z

#[derive(Default)]
struct Account {
    id: i64,
    places: Vec<i64>,
    balance: i64,
    continuity: AccountContinuity,
}

struct Bank {
    clock: Clock,
    tail: Tail,
    entries: Vec<EntryRow>,
    parts: Vec<EntryPartRow>,
    events: Vec<EventRow>,
    event_parts: Vec<EventPartRow>,
    accounts: Vec<Account>,
    account_rows: Vec<AccountRow>,
    hits: Vec<HitRow>,
    alerts: Vec<AlertRow>,
    breaks: BTreeMap<(i64, i16), BreakRow>,
    figures: HashMap<(i32, i16, i64), FigureRow>,
    ranges: BTreeMap<i32, RangeRow>,
}

/// Writes a log with `count` entries to a new database; every `gap`th leaves a gap of 5.00.
pub fn build(url: &str, count: i64, gap: i64) {
    let db = Db::open(url, 1).unwrap();
    let mut conn = db.connect().unwrap();
    migrate::up(&mut conn).unwrap();
    let clock = Clock::fixed(Moment(START), 7);
    let mut bank = Bank::new(clock);
    let dictionary = bank.dictionary();
    for n in 0..count {
        bank.clock.advance(1_000);
        bank.record(n, gap);
    }
    conn.write(|conn| bank.store(conn, &dictionary)).unwrap();
    conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
}

impl Bank {
    fn new(clock: Clock) -> Bank {
        let tail = Tail::new("bank.example/test".into(), 1, Tiles::new(), Moment(START));
        let mut bank = Bank {
            clock,
            tail,
            entries: Vec::new(),
            parts: Vec::new(),
            events: Vec::new(),
            event_parts: Vec::new(),
            accounts: Vec::new(),
            account_rows: Vec::new(),
            hits: Vec::new(),
            alerts: Vec::new(),
            breaks: BTreeMap::new(),
            figures: HashMap::new(),
            ranges: BTreeMap::new(),
        };
        bank.event("log.created", json!({ "origin": "bank.example/test", "format": 1 }), None);
        bank
    }

    fn event(&mut self, kind: &'static str, body: Value, private: Option<Value>) -> i64 {
        self.tail.tick(self.clock.now());
        let (row, part) = self.tail.seal_event(&self.clock, &NewEvent { kind, body, private }).unwrap();
        let seq = row.seq;
        self.events.push(row);
        self.event_parts.extend(part);
        seq
    }

    fn dictionary(&mut self) -> (SourceRow, RuleSetRow, ContextRow, DeliveryRow) {
        let now = START;
        let source = self.event("source.defined", json!({ "name": "core" }), None);
        let rules = serde_json::to_value(RuleSetBody::first()).unwrap();
        let rule_set = self.event("ruleset.defined", rules.clone(), None);
        let private = json!({ "session_id": "S1", "ip": "10.0.0.1", "actor_kind": "customer" });
        let context = self.event("context.defined", json!({ "source": source }), Some(private));
        let body = json!({ "source": source, "kind": "api", "key": null });
        let delivery = self.event("delivery.defined", body, Some(json!({ "origin": "10.0.0.9" })));
        for number in ["ACC-1", "ACC-2", "ACC-3"] {
            let body = json!({ "source": source, "currency": "USD" });
            let id = self.event("account.defined", body, Some(json!({ "account": number })));
            self.accounts.push(Account { id, ..Account::default() });
            self.account_rows.push(AccountRow { id, source, number: number.into(), currency: "USD".into(), created_at: now });
        }
        let seen = Context {
            session_id: Some("S1".into()),
            ip: Some("10.0.0.1".into()),
            actor_kind: Some(crate::ledger::ActorKind::Customer),
            ..Context::default()
        };
        let way = Delivery { kind: DeliveryKind::Api, api_key: None, origin: Some("10.0.0.9".into()) };
        (
            SourceRow { id: source, name: "core".into(), created_at: now },
            RuleSetRow { id: rule_set, version: 1, body: rules.to_string(), recorded_at: now },
            ContextRow {
                id: context,
                source,
                session_id: Some("S1".into()),
                ip: Some("10.0.0.1".into()),
                user_agent: None,
                device_id: None,
                actor: None,
                actor_kind: Some(1),
                fingerprint: context_fingerprint(source, &seen),
            },
            DeliveryRow {
                id: delivery,
                source,
                kind: "api".into(),
                api_key: None,
                origin: Some("10.0.0.9".into()),
                started_at: now,
                fingerprint: delivery_fingerprint(source, &way, START.div_euclid(24 * HOUR)),
            },
        )
    }

    /// Gaps stay open, or are frozen when there are too many; every 89th entry comes one minute late
    /// and heals what its absence broke.
    fn record(&mut self, n: i64, gap: i64) {
        let at = START + n * MINUTE;
        if n % 89 == 10 {
            self.account(n).balance += 300;
            self.append(n, at + MINUTE * 2, 100);
            let balance = self.account(n).balance;
            self.account(n).balance = balance - 400;
            self.append(n + 999_999, at + MINUTE, 300);
            self.account(n).balance = balance;
            return;
        }
        if n % gap == 20 % gap {
            self.account(n).balance += 500;
        }
        let amount = if n % 50 == 7 { 2_000_000 } else { 100 + n % 13 };
        self.append(n, at, amount);
    }

    fn account(&mut self, n: i64) -> &mut Account {
        &mut self.accounts[(n % 3) as usize]
    }

    fn append(&mut self, n: i64, at: i64, amount: i64) {
        self.tail.tick(self.clock.now());
        let seq = self.tail.next_seq();
        let parts = if n % 5 == 1 { Parts { party: Some(format!("P{n}")), ..Parts::default() } } else { Parts::default() };
        let blind = match parts.is_empty() {
            true => self.clock.random::<16>().to_vec(),
            false => {
                let salt = self.clock.random::<32>();
                let party = parts.party.clone();
                let row = EntryPartRow {
                    seq,
                    salt: salt.to_vec(),
                    party,
                    counterparty: None,
                    counterparty_name: None,
                    counterparty_country: None,
                    reason: None,
                };
                self.parts.push(row);
                commitment(&salt, &parts.listed()).unwrap().to_vec()
            }
        };
        let which = (n % 3) as usize;
        let before = self.accounts[which].balance;
        let entry = entry(at, amount, before);
        let date = at.div_euclid(24 * HOUR) as i32;
        let account = &mut self.accounts[which];
        let changes = account.continuity.add(&Movement::of(seq, &entry), date, Strictness::default(), None);
        account.balance = before + amount;
        let position = account.places.len() as i64 + 1;
        let late = (n == 30).then(|| account.places[2]);
        let mut row = row(seq, &entry, date, blind);
        row.recorded_at = self.tail.recorded_at().0;
        row.source_ref = format!("R{n}");
        (row.account, row.position, row.prev) = (account.id, position, account.places.last().copied());
        row.jump = jump_position(position).map(|p| account.places[p as usize - 1]);
        account.places.push(seq);
        row.outcomes = outcomes(&changes, amount, late);
        self.tail.seal_entry(&row.leaf(), &mut Vec::new()).unwrap();
        self.follow(&row, &changes, amount, late);
        self.entries.push(row);
    }

    /// Breaks, hits, figures and ranges of an entry.
    fn follow(&mut self, row: &EntryRow, changes: &Changes, amount: i64, late: Option<i64>) {
        for opened in &changes.opened {
            let broken = BreakRow {
                seq: opened.seq,
                kind: opened.kind.code(),
                account: row.account,
                currency: "USD".into(),
                state: BreakState::Open.code(),
                expected: opened.expected,
                found: opened.found,
                business_date: row.business_date,
                opened_by: row.seq,
                opened_at: row.recorded_at,
                due_at: due_at(row),
                closed_by: None,
                alert: None,
            };
            self.breaks.insert((opened.seq, opened.kind.code()), broken);
        }
        for (seq, kind) in &changes.healed {
            let healed = self.breaks.get_mut(&(*seq, kind.code())).unwrap();
            (healed.state, healed.closed_by) = (BreakState::Healed.code(), Some(row.seq));
        }
        for seq in &changes.frozen {
            let frozen = self.breaks.get_mut(&(*seq, BreakKind::Chain.code())).unwrap();
            (frozen.state, frozen.closed_by) = (BreakState::Frozen.code(), Some(row.seq));
        }
        if amount >= 1_000_000 {
            let alert = self.alert(row, row.seq, "high-value");
            self.hit(row, row.seq, "high-value", false, Some(alert));
        }
        if let Some(named) = late {
            let first = self.entries.iter().find(|entry| entry.seq == named).cloned().unwrap();
            let alert =
                self.alert(&EntryRow { rules: row.rules, recorded_at: row.recorded_at, ..first }, named, "high-frequency");
            self.hit(row, named, "high-frequency", true, Some(alert));
        }
        let key = (row.business_date, row.status, row.booked_at.div_euclid(HOUR));
        let fresh = FigureRow {
            business_date: row.business_date,
            source: 1,
            currency: "USD".into(),
            kind: row.kind,
            status: row.status,
            hour: key.2,
            entries: 0,
            credits: 0,
            debits: 0,
        };
        let figure = self.figures.entry(key).or_insert(fresh);
        (figure.entries, figure.credits) = (figure.entries + 1, figure.credits + amount);
        let fresh = RangeRow { business_date: row.business_date, first_seq: row.seq, last_seq: row.seq, entries: 0 };
        let range = self.ranges.entry(row.business_date).or_insert(fresh);
        (range.last_seq, range.entries) = (row.seq, range.entries + 1);
    }

    /// The alert that a hit joins; all of one account within a day share one.
    fn alert(&mut self, by: &EntryRow, named: i64, rule: &'static str) -> i64 {
        let near = |a: &&mut AlertRow| (by.booked_at - a.first_booked_at).abs() <= 24 * HOUR;
        let of = |a: &&mut AlertRow| a.rule == rule && a.account == by.account;
        if let Some(open) = self.alerts.iter_mut().filter(of).rfind(near) {
            (open.hits, open.last_seq) = (open.hits + 1, named);
            return open.id;
        }
        let reference = format!("ALR-2026-{:06}", self.alerts.len() + 1);
        let body = json!({
            "ref": reference, "rule": rule, "rules": by.rules, "severity": "high", "account": by.account, "entry": named,
            "previous": null, "explanation": { "sentence": "why" },
        });
        let id = self.event("alert.opened", body, None);
        let mut alert = alert_row(id, by);
        (alert.reference, alert.rule, alert.last_seq) = (reference, rule.to_owned(), named);
        self.alerts.push(alert);
        id
    }

    fn hit(&mut self, by: &EntryRow, named: i64, rule: &str, late: bool, alert: Option<i64>) {
        self.hits.push(HitRow {
            seq: named,
            rule: rule.into(),
            rules: by.rules,
            account: by.account,
            business_date: by.business_date,
            severity: 3,
            late: i16::from(late),
            decided_by: by.seq,
            alert,
            evidence: "{}".into(),
        });
    }

    fn store(
        mut self,
        conn: &mut Conn,
        dictionary: &(SourceRow, RuleSetRow, ContextRow, DeliveryRow),
    ) -> Result<(), crate::db::DbError> {
        let (source, rule_set, context, delivery) = dictionary;
        crate::trail::generations::begin(conn, 0, "bank.example/test")?;
        bulk::append(conn, std::slice::from_ref(source))?;
        bulk::append(conn, std::slice::from_ref(rule_set))?;
        bulk::append(conn, std::slice::from_ref(context))?;
        bulk::append(conn, std::slice::from_ref(delivery))?;
        bulk::append(conn, &self.account_rows)?;
        trail::append_events(conn, &self.events, &self.event_parts)?;
        bulk::append(conn, &self.entries)?;
        bulk::append(conn, &asides(&self.entries))?;
        bulk::append(conn, &self.parts)?;
        bulk::append(conn, &self.tail.take_full_tiles())?;
        bulk::append(conn, &self.hits)?;
        bulk::append(conn, &self.alerts)?;
        bulk::append(conn, &self.breaks.into_values().collect::<Vec<_>>())?;
        bulk::append(conn, &self.figures.into_values().collect::<Vec<_>>())?;
        bulk::append(conn, &self.ranges.into_values().collect::<Vec<_>>())?;
        trail::create_state(conn, &self.tail)
    }
}

/// Entries booked before one that was recorded earlier on their account.
fn asides(entries: &[EntryRow]) -> Vec<AsideRow> {
    let mut reached: BTreeMap<i64, (i64, i64)> = BTreeMap::new();
    let mut rows = Vec::new();
    for row in entries {
        match reached.get(&row.account) {
            Some((at, by)) if row.booked_at < *at => rows.push(AsideRow {
                seq: row.seq,
                account: row.account,
                late_at: Some(row.booked_at),
                reached: Some(*at),
                reached_by: Some(*by),
            }),
            _ => drop(reached.insert(row.account, (row.booked_at, row.seq))),
        }
    }
    rows
}
