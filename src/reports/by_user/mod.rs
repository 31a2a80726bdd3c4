//! Who looked at what, and who changed it: accesses and changes by user over a period, for a type of
//! record and a role.
//!
//! Counted from the log as it is asked for, and not stored. What keys read; officers' views, searches, exports, reveals,
//! acts and refusals; and changes of records by whom their source names. It looks at so many events and
//! changes at most; that there are more is said.

mod csv;
mod store;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use chrono::NaiveDate;
use serde::Serialize;
use serde_json::Value;

use crate::access::keys::{self, ListedKey};
use crate::access::reads::{self, ReadBy};
use crate::access::{Role, User, users};
use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::BusinessCalendar;
use crate::ledger::store::{first_at, sources};
use crate::records::actor_key;
use crate::trail::{attempts, store as trail};

pub use csv::csv;

/// Days of a period at most.
pub const DAYS_MAX: i64 = 92;
/// Events and changes that are looked at, each, at most.
pub const LOOKED_AT_MAX: usize = 200_000;
/// Lines at most.
pub const LINES_MAX: usize = 1_000;
/// Read at once.
const PAGE: i64 = 10_000;

/// Whose lines are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// Users of this role.
    Role(Role),
    /// People whom a source names as having changed something.
    Source,
    /// Programs that read with a key.
    Key,
    /// The command line.
    Command,
    /// Users that are not known any more.
    Unknown,
}

impl Whose {
    /// `officer`, …, `source`
    pub fn text(self) -> &'static str {
        match self {
            Whose::Role(role) => role.text(),
            Whose::Source => "source",
            Whose::Key => "key",
            Whose::Command => "command",
            Whose::Unknown => "unknown",
        }
    }

    /// From its text.
    pub fn parse(text: &str) -> Option<Whose> {
        Whose::all().find(|whose| whose.text() == text)
    }

    /// Everything that a line's role can be.
    pub fn all() -> impl Iterator<Item = Whose> {
        Role::ALL.into_iter().map(Whose::Role).chain([Whose::Source, Whose::Key, Whose::Command, Whose::Unknown])
    }
}

/// What is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// First day, in the bank's zone.
    pub from: NaiveDate,
    /// Last day.
    pub through: NaiveDate,
    /// Of this type of records only; none: accounts, alerts and every record.
    pub kind: Option<String>,
    /// Of these people only.
    pub whose: Option<Whose>,
}

/// One person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct UserLine {
    /// The user's number; none: whom a source names, a key, or the command line.
    pub user: Option<Seq>,
    /// The user's address, the name a source gives, or how a key begins.
    pub name: String,
    /// `officer`, …, `source`, `key`, `command`, `unknown`.
    pub role: &'static str,
    /// The source that names this person, or that the key is of; each source has people of its own.
    pub source: Option<String>,
    /// Pages and answers about customers that were seen.
    pub views: i64,
    /// How many accounts, records and alerts those were about; of a key, as far as its events list them.
    pub subjects: i64,
    /// Searches; of what type a search was is not public, so that all count.
    pub searches: i64,
    /// Exports; they are of no type.
    pub exports: i64,
    /// Sealed values that were opened, page by page.
    pub reveals: i64,
    /// Changes of records.
    pub changes: i64,
    /// Acts that were done; they are of no type.
    pub acts: i64,
    /// Acts, pages and sign-ins that were refused or denied; they are of no type.
    pub refusals: i64,
}

/// The report.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ByUser {
    /// By role, then name.
    pub lines: Vec<UserLine>,
    /// All of them.
    pub lines_total: i64,
    /// Events and changes that were looked at.
    pub looked_at: i64,
    /// Whether there are more of them than were looked at: ask for fewer days.
    pub truncated: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Person {
    User(Seq),
    /// Whom a source names: the source, and [`actor_key`] of the name.
    Named(Seq, String),
    /// A key; none: those that were not told apart.
    Key(Option<Seq>),
    Command,
}

#[derive(Default)]
struct Counting {
    lines: BTreeMap<Person, UserLine>,
    subjects: HashMap<Person, HashSet<(&'static str, String)>>,
    looked_at: usize,
    truncated: bool,
}

/// Counts.
///
/// # Errors
/// When the database cannot be read.
pub fn by_user(conn: &mut Conn, calendar: &BusinessCalendar, question: &Question) -> DbResult<ByUser> {
    let (begin, end) = (calendar.day(question.from).0, calendar.day(question.through).1);
    let size = trail::state(conn)?.map_or(0, |state| state.size);
    let span = (first_at(conn, begin, size)?, first_at(conn, end, size)?);
    let known = users::list(conn)?;
    let mut counting = Counting::default();
    let kind = question.kind.as_deref();
    counting.looks(conn, span, kind)?;
    counting.reads(conn, span, kind)?;
    counting.changes(conn, span, kind, &known)?;
    counting.acts(conn, (begin, end))?;
    counting.refused_keys(conn, span)?;
    let keys = if counting.lines.keys().any(|person| matches!(person, Person::Key(_))) { keys::list(conn)? } else { Vec::new() };
    Ok(counting.report((&known, &keys), question.whose))
}

impl Counting {
    fn line(&mut self, person: Person) -> &mut UserLine {
        self.lines.entry(person).or_default()
    }

    /// Reads events of a kind, page by page, within the bound.
    fn each(
        &mut self,
        conn: &mut Conn,
        kind: &str,
        (mut from, to): (Seq, Seq),
        mut each: impl FnMut(&mut Counting, &mut Conn, Vec<Value>) -> DbResult<()>,
    ) -> DbResult<()> {
        let mut left = LOOKED_AT_MAX;
        loop {
            let rows = trail::bodies(conn, kind, (from, to), PAGE)?;
            let (read, last) = (rows.len(), rows.last().map(|(seq, _)| *seq));
            let (taken, whole) = (read.min(left), read <= left);
            self.looked_at += taken;
            self.truncated |= !whole;
            left -= taken;
            let bodies = rows.into_iter().take(taken).map(|(_, body)| serde_json::from_str(&body).unwrap_or_default());
            each(self, conn, bodies.collect())?;
            match last.filter(|_| read as i64 == PAGE && whole) {
                Some(last) => from = last + 1,
                None => return Ok(()),
            }
        }
    }

    fn looks(&mut self, conn: &mut Conn, span: (Seq, Seq), kind: Option<&str>) -> DbResult<()> {
        self.each(conn, "customer.viewed", span, |counting, conn, bodies| {
            let wanted = of_kind(conn, &bodies, kind)?;
            for (body, _) in bodies.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
                let person = person(body);
                counting.line(person.clone()).views += 1;
                if let Some(subject) = subject(body) {
                    counting.subjects.entry(person).or_default().insert(subject);
                }
            }
            Ok(())
        })?;
        self.each(conn, "value.revealed", span, |counting, conn, bodies| {
            let wanted = of_kind(conn, &bodies, kind)?;
            for (body, _) in bodies.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
                counting.line(person(body)).reveals += 1;
            }
            Ok(())
        })?;
        self.each(conn, "search.made", span, |counting, _, bodies| {
            bodies.iter().for_each(|body| counting.line(person(body)).searches += 1);
            Ok(())
        })?;
        for kind in ["export.made", "archive.made"] {
            self.each(conn, kind, span, |counting, _, bodies| {
                bodies.iter().for_each(|body| counting.line(person(body)).exports += 1);
                Ok(())
            })?;
        }
        Ok(())
    }

    /// What keys read. Of a type, it is the records that the events list.
    fn reads(&mut self, conn: &mut Conn, span: (Seq, Seq), kind: Option<&str>) -> DbResult<()> {
        self.each(conn, reads::READ, span, |counting, conn, bodies| {
            let told: Vec<ReadBy> = bodies.into_iter().filter_map(|body| serde_json::from_value(body).ok()).collect();
            let kinds = match kind {
                Some(_) => store::kinds(conn, &distinct(told.iter().flat_map(|read| &read.records).map(|(id, _)| *id)))?,
                None => HashMap::new(),
            };
            for ReadBy { key, kinds: counts, accounts, records } in told {
                let of = |id: &Seq| kind.is_none_or(|kind| kinds.get(id).is_some_and(|of| of == kind));
                let records: Vec<(Seq, i64)> = records.into_iter().filter(|(id, _)| of(id)).collect();
                let views: i64 = match kind {
                    Some(_) => records.iter().map(|(_, n)| n).sum(),
                    None => counts.iter().filter(|(kind, _)| reads::about_customers(kind)).map(|(_, (told, _))| told).sum(),
                };
                if kind.is_some() && views == 0 {
                    continue;
                }
                counting.line(Person::Key(key)).views += views;
                let seen = counting.subjects.entry(Person::Key(key)).or_default();
                seen.extend(records.iter().map(|(id, _)| ("record", id.to_string())));
                seen.extend(accounts.iter().filter(|_| kind.is_none()).map(|(id, _)| ("account", id.to_string())));
            }
            Ok(())
        })
    }

    fn changes(&mut self, conn: &mut Conn, (mut from, to): (Seq, Seq), kind: Option<&str>, known: &[User]) -> DbResult<()> {
        let users: HashMap<&str, Seq> = known.iter().map(|user| (user.email.as_str(), user.id)).collect();
        let sources: HashMap<Seq, String> = sources(conn)?.into_iter().map(|row| (row.id, row.name)).collect();
        let mut left = LOOKED_AT_MAX;
        loop {
            let mut rows = store::changes(conn, (from, to), PAGE)?;
            let (read, last) = (rows.len(), rows.last().map(|row| row.seq));
            let whole = read <= left;
            rows.truncate(left);
            self.looked_at += rows.len();
            self.truncated |= !whole;
            left -= rows.len();
            let kinds = match kind {
                Some(_) => store::kinds(conn, &distinct(rows.iter().map(|row| row.record)))?,
                None => HashMap::new(),
            };
            for store::Change { record, source, actor, restores, .. } in rows {
                if kind.is_some_and(|kind| kinds.get(&record).map(String::as_str) != Some(kind)) {
                    continue;
                }
                let name = actor.unwrap_or_default();
                // Only what two officers restored is an officer's, whatever names a source uses.
                let user = restores.and_then(|_| users.get(name.as_str()));
                let person = user.map_or_else(|| Person::Named(source, actor_key(&name)), |user| Person::User(*user));
                let line = self.line(person);
                line.changes += 1;
                if user.is_none() && line.source.is_none() {
                    (line.name, line.source) = (name, sources.get(&source).cloned());
                }
            }
            match last.filter(|_| read as i64 == PAGE && whole) {
                Some(last) => from = last + 1,
                None => return Ok(()),
            }
        }
    }

    fn acts(&mut self, conn: &mut Conn, (begin, end): (Moment, Moment)) -> DbResult<()> {
        let (counts, more) = attempts::counts(conn, begin, end)?;
        self.truncated |= more;
        for counts in counts {
            let line = self.line(counts.user.map_or(Person::Command, Person::User));
            line.acts += counts.succeeded;
            line.refusals += counts.refused + counts.denied;
        }
        Ok(())
    }

    /// What was refused to keys that are known; of a flood only what was recorded one by one names its key.
    fn refused_keys(&mut self, conn: &mut Conn, span: (Seq, Seq)) -> DbResult<()> {
        self.each(conn, "access.denied", span, |counting, _, bodies| {
            for key in bodies.iter().filter_map(|body| body["key"].as_i64()) {
                counting.line(Person::Key(Some(key))).refusals += 1;
            }
            Ok(())
        })
    }

    fn report(self, known: (&[User], &[ListedKey]), whose: Option<Whose>) -> ByUser {
        let Counting { lines, subjects, looked_at, truncated } = self;
        let mut lines: Vec<UserLine> = lines.into_iter().map(|(person, line)| finished(person, line, &subjects, known)).collect();
        if let Some(whose) = whose {
            lines.retain(|line| line.role == whose.text());
        }
        lines.sort_by(|one, other| (one.role, &one.name, &one.source).cmp(&(other.role, &other.name, &other.source)));
        let lines_total = lines.len() as i64;
        lines.truncate(LINES_MAX);
        ByUser { lines, lines_total, looked_at: looked_at as i64, truncated }
    }
}

fn finished(
    person: Person,
    line: UserLine,
    subjects: &HashMap<Person, HashSet<(&'static str, String)>>,
    (known, keys): (&[User], &[ListedKey]),
) -> UserLine {
    let seen = subjects.get(&person).map_or(0, HashSet::len) as i64;
    let key = |id: Option<Seq>| keys.iter().find(|key| Some(key.id) == id);
    let source = match &person {
        Person::Key(id) => key(*id).map(|key| key.source_name.clone()),
        _ => line.source.clone(),
    };
    let (user, name, role) = match person {
        Person::User(id) => match known.iter().find(|user| user.id == id) {
            Some(user) => (Some(id), user.email.clone(), user.role.text()),
            None => (Some(id), format!("user {id}"), Whose::Unknown.text()),
        },
        Person::Named(_, key) if key.is_empty() => (None, "nobody named".to_owned(), Whose::Source.text()),
        Person::Named(..) => (None, line.name.clone(), Whose::Source.text()),
        Person::Key(id) => {
            let other = || id.map_or_else(|| "further keys".to_owned(), |id| format!("key {id}"));
            (None, key(id).map_or_else(other, |key| format!("cf_{}", key.prefix)), Whose::Key.text())
        }
        Person::Command => (None, "command line".to_owned(), Whose::Command.text()),
    };
    UserLine { user, name, role, source, subjects: seen, ..line }
}

fn person(body: &Value) -> Person {
    body["user"].as_i64().map_or(Person::Command, Person::User)
}

/// What was looked at.
fn subject(body: &Value) -> Option<(&'static str, String)> {
    // An entry is its account's, an alert or a proposal stands for itself where no account is named.
    ["record", "account", "alert", "proposal"].into_iter().find_map(|what| {
        let value = &body[what];
        (value.is_i64() || value.is_string()).then(|| (what, value.to_string()))
    })
}

/// Which of these events are about a record of this type; all of them where none is asked for.
fn of_kind(conn: &mut Conn, bodies: &[Value], kind: Option<&str>) -> DbResult<Vec<bool>> {
    let Some(kind) = kind else { return Ok(vec![true; bodies.len()]) };
    let record = |body: &Value| body["record"].as_i64();
    let kinds = store::kinds(conn, &distinct(bodies.iter().filter_map(record)))?;
    let is = |body: &Value| record(body).and_then(|id| kinds.get(&id)).is_some_and(|of| of == kind);
    Ok(bodies.iter().map(is).collect())
}

fn distinct(ids: impl Iterator<Item = Seq>) -> Vec<Seq> {
    ids.collect::<BTreeSet<_>>().into_iter().collect()
}
