//! Events: definitions are made anew; what somebody did is taken as it is, with its effect on the
//! engine.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;

use crate::alerts::{again, changes, explain};
use crate::clock::Moment;
use crate::config::{Bank, ContinuitySettings, Source};
use crate::db::{DbError, DbResult, bulk};
use crate::detect::RuleSetBody;
use crate::ids::Seq;
use crate::ledger::store::SourceRow;
use crate::ledger::{ActorKind, BREAK_EXPLAINED, Context};
use crate::money::Currency;
use crate::trail::store::EventRow;

use super::super::engine::Engine;
use super::super::{Delivery, DeliveryKind, load};
use super::entries::mail_to;
use super::{Rebuild, RebuildError, RecordedLeaf, json, part, plain, private, settings};

/// The settings that `program.started` says.
#[derive(Deserialize)]
struct Said {
    bank: Bank,
    continuity: ContinuitySettings,
    source: Vec<Source>,
}

impl Rebuild {
    pub(super) fn event(&mut self, leaf: &RecordedLeaf, row: EventRow) -> Result<(), RebuildError> {
        self.at(row.recorded_at);
        let body = json(&row.body);
        if matches!(row.kind.as_str(), "account.defined" | "context.defined" | "delivery.defined") {
            self.expect(leaf, &row.blind)?;
            self.define(leaf, &row, &body)?;
            self.met.made += 1;
            return self.waited(1);
        }
        let (kind, at, id) = (row.kind.clone(), Moment(row.recorded_at), row.seq);
        let of_breaks = kind == "alert.opened" && again::is_of_breaks(&body);
        let of_change = kind == "alert.opened" && changes::is_of_change(&body);
        if of_breaks || of_change || kind == BREAK_EXPLAINED {
            // Numbers and breaks are read from the tables, and changed there.
            self.flush()?;
        }
        self.take(leaf, row)?;
        match kind.as_str() {
            "source.defined" => self.source(id, at, &body),
            "ruleset.defined" => self.rule_set(id, at, &body)?,
            "program.started" => self.started(&body)?,
            "alert.opened" if of_breaks => self.opened_for_breaks(leaf, id, at, body)?,
            "alert.opened" if of_change => self.opened_for_change(leaf, id, at, body)?,
            "record.changed" => self.effects.push(Box::new(move |conn| changes::hits_again(conn, id, &body))),
            "alert.joined" => self.effects.push(Box::new(move |conn| again::join(conn, id, &body))),
            BREAK_EXPLAINED => {
                self.effects.push(Box::new(move |conn| explain::again(conn, id, &body)));
                self.flush()?;
            }
            "alert.closed" => {
                self.engine.alerting.close(body["alert"].as_i64().unwrap_or(-1));
                let comment = private(leaf).map(json).and_then(|said| said["comment"].as_str().map(str::to_owned));
                let comment = comment.unwrap_or_default();
                self.effects.push(Box::new(move |conn| again::close(conn, id, at, &body, &comment)));
            }
            _ => {}
        }
        self.waited(1)
    }

    /// Appends an event as it was recorded.
    fn take(&mut self, leaf: &RecordedLeaf, row: EventRow) -> Result<(), RebuildError> {
        let next = self.engine.tail.next_seq();
        if next != row.seq {
            return Err(self.differs(row.seq, "events", "seq", &row.seq.to_string(), &next.to_string()));
        }
        let part = part(leaf);
        if part.is_none() && row.blind.len() == 32 {
            self.met.expired += 1;
        }
        self.engine.tick();
        self.engine.tail.seal_again(&row).map_err(|e| DbError::Corrupt(e.to_string()))?;
        self.engine.open.events.push(row);
        self.engine.open.event_parts.extend(part);
        self.met.taken += 1;
        Ok(())
    }

    fn source(&mut self, id: Seq, at: Moment, body: &Value) {
        let name = body["name"].as_str().unwrap_or_default().to_owned();
        self.engine.sources.insert(id, name.clone());
        let row = SourceRow { id, name, created_at: at.0 };
        self.effects.push(Box::new(move |conn| bulk::append(conn, &[row])));
    }

    fn rule_set(&mut self, id: Seq, at: Moment, body: &Value) -> DbResult<()> {
        let unreadable = |e: String| DbError::Corrupt(format!("rule set {id}: {e}"));
        let rules: RuleSetBody = serde_json::from_value(body.clone()).map_err(|e| unreadable(e.to_string()))?;
        let (version, text) = (rules.version, body.to_string());
        self.engine.rules = Arc::new(rules.compile(id).map_err(unreadable)?);
        self.effects.push(Box::new(move |conn| load::insert_rule_set(conn, id, version, &text, at.0)));
        Ok(())
    }

    /// Other settings may have come into force; those too large to be said leave the ones before.
    fn started(&mut self, body: &Value) -> DbResult<()> {
        let Ok(said) = Said::deserialize(&body["settings"]) else { return Ok(()) };
        self.base.bank = said.bank;
        self.base.continuity = said.continuity;
        self.base.source = said.source;
        self.base = plain(&self.base);
        self.engine.settings = settings(&self.base, self.db.address(), &self.clock)?;
        Ok(())
    }

    fn opened_for_breaks(&mut self, leaf: &RecordedLeaf, id: Seq, at: Moment, body: Value) -> DbResult<()> {
        let entry = body["entry"].as_i64().unwrap_or(-1);
        let entry = self.engine.stored(entry)?.map(|(entry, _)| entry);
        let entry = entry.ok_or_else(|| DbError::Corrupt(format!("alert {id} names an entry that is not there")))?;
        let row = again::row_of_breaks(id, at, &body, &entry)?;
        let kept = row.clone();
        let recipients = mail_to(&body.to_string(), private(leaf)).unwrap_or_default();
        self.effects.push(Box::new(move |conn| again::open(conn, &row, &body, &recipients)));
        self.flush()?;
        self.engine.alerting.remember(&kept);
        Ok(())
    }

    /// What the rules said of a change is in its event; its values are not, so it is not asked for again.
    fn opened_for_change(&mut self, leaf: &RecordedLeaf, id: Seq, at: Moment, body: Value) -> DbResult<()> {
        let recipients = mail_to(&body.to_string(), private(leaf)).unwrap_or_default();
        self.effects.push(Box::new(move |conn| changes::opened_again(conn, id, at, &body, &recipients).map(drop)));
        self.flush()?;
        if let Some(row) = crate::alerts::store::alert(&mut self.writer, id)? {
            self.engine.alerting.remember(&row);
        }
        Ok(())
    }

    /// Defines an account, a context or a delivery as its first entry did.
    fn define(&mut self, leaf: &RecordedLeaf, row: &EventRow, body: &Value) -> Result<(), RebuildError> {
        self.engine.tick();
        let source = body["source"].as_i64().unwrap_or(-1);
        let said = private(leaf).map(json);
        let gone = (said.is_none() && row.blind.len() == 32).then(|| format!("expired:{}", row.seq));
        let id = match row.kind.as_str() {
            "account.defined" => self.account(source, said.as_ref(), gone, body)?,
            "context.defined" => {
                let context = context_of(said.as_ref(), gone);
                let mut to = Engine::growing(&mut self.engine.tail, &self.engine.settings, &mut self.engine.open);
                self.engine.dictionary.context(&mut to, &mut self.engine.conn, source, &context)?
            }
            _ => {
                let origin = gone.or_else(|| Some(said?["origin"].as_str()?.to_owned()));
                let delivery = Delivery { kind: delivery_kind(body), api_key: body["key"].as_i64(), origin };
                let mut to = Engine::growing(&mut self.engine.tail, &self.engine.settings, &mut self.engine.open);
                self.engine.dictionary.delivery(&mut to, &mut self.engine.conn, source, &delivery)?
            }
        };
        let made = self.engine.open.events.last().filter(|made| made.seq == row.seq && id == row.seq);
        match made {
            Some(made) if made == row => Ok(()),
            Some(made) => {
                let (one, other) = (format!("{} {}", row.kind, row.body), format!("{} {}", made.kind, made.body));
                Err(self.differs(row.seq, "events", &row_differences(row, made), &one, &other))
            }
            None => Err(self.differs(row.seq, "events", "seq", &row.kind, &format!("defined at {id} already"))),
        }
    }

    fn account(&mut self, source: Seq, said: Option<&Value>, gone: Option<String>, body: &Value) -> DbResult<Seq> {
        let number = gone.or_else(|| Some(said?["account"].as_str()?.to_owned())).unwrap_or_default();
        if let Some(at) = self.engine.account(&number)? {
            return Ok(self.engine.accounts.get(at).id);
        }
        let currency = Currency::parse(body["currency"].as_str().unwrap_or_default());
        let currency = currency.map_err(|e| DbError::Corrupt(e.to_string()))?;
        let mut to = Engine::growing(&mut self.engine.tail, &self.engine.settings, &mut self.engine.open);
        let row = to.define_account(source, &number, currency.code())?;
        let id = row.id;
        self.engine.remember_account(row, Default::default())?;
        Ok(id)
    }
}

fn row_differences(one: &EventRow, other: &EventRow) -> String {
    bulk::BulkRow::differing(one, other).join(", ")
}

fn delivery_kind(body: &Value) -> DeliveryKind {
    body["kind"].as_str().and_then(DeliveryKind::parse).unwrap_or(DeliveryKind::Command)
}

fn context_of(said: Option<&Value>, gone: Option<String>) -> Context {
    let text = |field: &str| said.and_then(|said| said[field].as_str()).map(str::to_owned);
    Context {
        session_id: text("session_id"),
        ip: text("ip"),
        user_agent: text("user_agent"),
        device_id: gone.or_else(|| text("device_id")),
        actor: text("actor"),
        actor_kind: text("actor_kind").as_deref().and_then(ActorKind::parse),
    }
}
