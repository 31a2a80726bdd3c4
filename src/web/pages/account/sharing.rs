//! Sessions and addresses seen on an account, and how many accounts share each.

use std::collections::HashMap;

use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::store::{ContextRow as Context, EntryRow as Entry};
use crate::reports::page::words::{LocalTime, count, link, tag};

use super::super::fill::{self, Contexts};
use super::super::origins::{self, Origin};
use super::super::views::ContextRow;

/// Sessions listed, and as many addresses.
const EACH: usize = 12;
/// An address that this many accounts share is marked; offices and carriers share addresses too.
const SHARED_BY: usize = 5;

/// One session or address.
struct Seen {
    origin: Origin,
    value: String,
    context: Seq,
    first: i64,
    last: i64,
    entries: i64,
    accounts: usize,
}

/// The sessions and addresses of the entries looked at.
pub(super) struct Sharing {
    seen: Vec<Seen>,
    cut: bool,
}

/// Groups the entries looked at, and asks who else came from there.
pub(super) fn read(conn: &mut Conn, entries: &[Entry], contexts: &Contexts) -> DbResult<Sharing> {
    let mut seen = group(entries, contexts);
    let mut groups = Vec::with_capacity(seen.len());
    for one in &seen {
        let sharing = match contexts.get(&one.context) {
            Some(context) => origins::contexts(conn, context, one.origin)?,
            None => Vec::new(),
        };
        groups.push(sharing.into_iter().map(|c: Context| c.id).collect());
    }
    let (accounts, cut) = origins::accounts_touched(conn, &groups)?;
    for (one, accounts) in seen.iter_mut().zip(accounts) {
        one.accounts = accounts;
    }
    Ok(Sharing { seen, cut })
}

/// The newest sessions and the newest addresses, last seen first.
fn group(entries: &[Entry], contexts: &Contexts) -> Vec<Seen> {
    let mut by: HashMap<(bool, &str), Seen> = HashMap::new();
    for entry in entries {
        let Some(context) = contexts.get(&entry.context) else { continue };
        for (origin, value) in [(Origin::Session, &context.session_id), (Origin::Ip, &context.ip)] {
            let Some(value) = value else { continue };
            let at = entry.booked_at;
            let fresh = Seen { origin, value: value.clone(), context: context.id, first: at, last: at, entries: 0, accounts: 0 };
            let one = by.entry((origin == Origin::Ip, value)).or_insert(fresh);
            one.first = one.first.min(at);
            one.last = one.last.max(at);
            one.entries += 1;
        }
    }
    let (mut addresses, mut sessions): (Vec<Seen>, Vec<Seen>) = by.into_values().partition(|one| one.origin == Origin::Ip);
    for list in [&mut addresses, &mut sessions] {
        list.sort_by(|a, b| b.last.cmp(&a.last).then_with(|| a.value.cmp(&b.value)));
        list.truncate(EACH);
    }
    addresses.append(&mut sessions);
    addresses.sort_by(|a, b| b.last.cmp(&a.last).then_with(|| a.value.cmp(&b.value)));
    addresses
}

impl Sharing {
    /// As rows of the table.
    pub(super) fn rows(&self, time: LocalTime) -> Vec<ContextRow> {
        self.seen.iter().map(|one| self.row(one, time)).collect()
    }

    fn row(&self, one: &Seen, time: LocalTime) -> ContextRow {
        let (kind, what) = if one.origin == Origin::Ip { ("IP address", "ip") } else { ("Session", "session") };
        let accounts = if self.cut { format!("at least {}", one.accounts) } else { one.accounts.to_string() };
        ContextRow {
            kind: kind.to_owned(),
            context: link(fill::shortened(&one.value), fill::context_href(one.context, what)),
            first: time.second(Moment(one.first)),
            last: time.second(Moment(one.last)),
            entries: count(one.entries),
            accounts,
            tag: (one.origin == Origin::Ip && one.accounts >= SHARED_BY).then(|| tag("Shared", "warn")),
        }
    }
}
