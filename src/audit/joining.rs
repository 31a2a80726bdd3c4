//! Which alert every hit and every break belongs to, worked out again from entries and events in
//! their order: a hit joins the newest open alert of its rule and account that is near in time, or
//! the alert that is opened right after its entry.

use std::collections::{BTreeMap, HashMap, VecDeque};

use crate::alerts::{CONTINUITY, JOIN_WITHIN};
use crate::detect::{Mode, RuleSetBody};
use crate::ids::Seq;
use crate::ledger::BreakKind;
use crate::ledger::store::BreakRow;

use super::L4;
use super::event::Event;
use super::findings::Findings;

/// What has become of an alert.
#[derive(Clone, Debug)]
pub(super) struct Joined {
    rule: u16,
    account: Seq,
    /// The entry it was opened for.
    pub(super) entry: Seq,
    /// When the entry of its first hit was booked; of an alert of breaks, see the entry it was opened for.
    pub(super) first_booked_at: i64,
    /// The gravest of its hits.
    pub(super) severity: i16,
    /// Hits or breaks in it.
    pub(super) count: i64,
    /// The one that joined last.
    pub(super) last_seq: Seq,
    /// The event that closed it.
    pub(super) closed: Option<Seq>,
}

/// A hit as its entry decided it.
#[derive(Clone, Debug)]
pub(super) struct NewHit<'a> {
    pub(super) rule: &'a str,
    /// The rule set it was decided by.
    pub(super) rules: Seq,
    pub(super) account: Seq,
    /// The entry it is named at.
    pub(super) seq: Seq,
    /// When that entry was booked.
    pub(super) booked_at: i64,
    pub(super) severity: i16,
}

/// Where a hit belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Belongs {
    /// The rule was tried only: in no alert.
    Nowhere,
    /// In this alert.
    To(Seq),
    /// In the alert that is opened next.
    Next,
}

/// A hit whose alert comes right after its entry.
struct Awaited {
    rule: String,
    account: Seq,
    seq: Seq,
    booked_at: i64,
    severity: i16,
}

#[derive(Default)]
pub(super) struct Joining {
    alerts: BTreeMap<Seq, Joined>,
    open: HashMap<(u16, Seq), Vec<Seq>>,
    rules: Vec<String>,
    live: HashMap<Seq, Vec<String>>,
    awaited: VecDeque<Awaited>,
    /// The alert that each break is in.
    breaks: HashMap<(Seq, i16), Seq>,
    left_out: bool,
}

impl Joining {
    /// The alerts with what has become of them, in order.
    pub(super) fn alerts(&self) -> impl Iterator<Item = (&Seq, &Joined)> {
        self.alerts.iter()
    }

    /// One alert.
    pub(super) fn alert(&self, id: Seq) -> Option<&Joined> {
        self.alerts.get(&id)
    }

    /// Leaves alerts out: whatever alert a row names is taken for right.
    pub(super) fn leave_out(&mut self) {
        self.left_out = true;
    }

    /// The alert that a break is in.
    pub(super) fn of_break(&self, row: &BreakRow) -> Option<Seq> {
        if self.left_out { row.alert } else { self.breaks.get(&(row.seq, row.kind)).copied() }
    }

    /// Learns a rule set: only what is live raises alerts.
    pub(super) fn rules(&mut self, id: Seq, body: &RuleSetBody) {
        let live = body.rules.iter().filter(|rule| rule.mode == Mode::Live);
        self.live.insert(id, live.map(|rule| rule.code.clone()).collect());
    }

    /// Whether a rule set was defined.
    pub(super) fn knows(&self, rules: Seq) -> bool {
        self.left_out || self.live.contains_key(&rules)
    }

    fn rule(&mut self, code: &str) -> u16 {
        let at = self.rules.iter().position(|known| known == code);
        at.unwrap_or_else(|| {
            self.rules.push(code.to_owned());
            self.rules.len() - 1
        }) as u16
    }

    /// Lets the next hit find its alert.
    pub(super) fn hit(&mut self, hit: &NewHit<'_>) -> Belongs {
        if self.left_out {
            return Belongs::Next;
        }
        if !self.live.get(&hit.rules).is_some_and(|live| live.iter().any(|code| code == hit.rule)) {
            return Belongs::Nowhere;
        }
        let key = (self.rule(hit.rule), hit.account);
        let near = |id: &&Seq| {
            let first = self.alerts.get(*id).map(|alert| alert.first_booked_at);
            first.is_some_and(|first| hit.booked_at.abs_diff(first) <= JOIN_WITHIN.unsigned_abs())
        };
        // One that an earlier hit of the same entry opens is open already.
        let awaits = self.awaited.iter().any(|a| a.account == hit.account && a.rule == hit.rule);
        let found = self.open.get(&key).and_then(|list| list.iter().rev().find(near)).copied();
        if let (Some(id), false) = (found, awaits) {
            if let Some(alert) = self.alerts.get_mut(&id) {
                (alert.count, alert.last_seq) = (alert.count + 1, hit.seq);
                alert.severity = alert.severity.max(hit.severity);
            }
            return Belongs::To(id);
        }
        let (rule, account) = (hit.rule.to_owned(), hit.account);
        self.awaited.push_back(Awaited { rule, account, seq: hit.seq, booked_at: hit.booked_at, severity: hit.severity });
        Belongs::Next
    }

    /// Meets an event about an alert; answers the places of the hits whose alert this is.
    pub(super) fn meet(&mut self, event: &Event, findings: &mut Findings) -> Vec<(Seq, String)> {
        let named = breaks_of(event);
        match event.kind.as_str() {
            "alert.opened" => return self.opened(event, &named, findings),
            "alert.joined" => {
                if let Some(alert) = self.alerts.get_mut(&event.number("alert")) {
                    alert.count += named.len() as i64;
                    alert.last_seq = named.iter().map(|(seq, _)| *seq).fold(alert.last_seq, Seq::max);
                }
                self.breaks.extend(named.into_iter().map(|key| (key, event.number("alert"))));
            }
            _ => {
                if let Some(alert) = self.alerts.get_mut(&event.number("alert")) {
                    alert.closed = Some(event.seq);
                    let key = (alert.rule, alert.account);
                    self.open.entry(key).or_default().retain(|id| *id != event.number("alert"));
                }
            }
        }
        Vec::new()
    }

    fn opened(&mut self, event: &Event, named: &[(Seq, i16)], findings: &mut Findings) -> Vec<(Seq, String)> {
        let (code, account, entry) = (event.text("rule"), event.number("account"), event.number("entry"));
        let rule = self.rule(&code);
        let mut joined = Joined {
            rule,
            account,
            entry,
            first_booked_at: i64::MIN,
            severity: 0,
            count: named.len() as i64,
            last_seq: named.iter().map(|(seq, _)| *seq).max().unwrap_or(entry),
            closed: None,
        };
        let mut hits = Vec::new();
        if code == CONTINUITY {
            self.breaks.extend(named.iter().map(|key| (*key, event.seq)));
        } else {
            let here = |a: &Awaited| a.rule == code && a.account == account;
            if !self.awaited.front().is_some_and(|first| here(first) && first.seq == entry) {
                let text = "an alert was opened that no entry before it asks for";
                findings.add((L4, "alert_unfounded"), "alerts", event.seq, text);
            }
            // The hits of one entry that are alike share their alert.
            while let Some(awaited) = self.awaited.pop_front_if(|first| here(first)) {
                if hits.is_empty() {
                    joined.first_booked_at = awaited.booked_at;
                }
                (joined.count, joined.last_seq) = (joined.count + 1, awaited.seq);
                joined.severity = joined.severity.max(awaited.severity);
                hits.push((awaited.seq, awaited.rule));
            }
        }
        self.alerts.insert(event.seq, joined);
        self.open.entry((rule, account)).or_default().push(event.seq);
        hits
    }

    /// Before the next entry, and at the end: every alert that was asked for must have been opened.
    pub(super) fn settle(&mut self, findings: &mut Findings) {
        for awaited in self.awaited.drain(..) {
            let detail = format!("no event opened the alert that the hit of rule {} asks for", awaited.rule);
            findings.add((L4, "alert_not_opened"), "alerts", awaited.seq, detail);
        }
    }
}

fn breaks_of(event: &Event) -> Vec<(Seq, i16)> {
    let read = |pair: &serde_json::Value| Some((pair[0].as_i64()?, BreakKind::parse(pair[1].as_str()?)?.code()));
    event.body["breaks"].as_array().into_iter().flatten().filter_map(read).collect()
}
