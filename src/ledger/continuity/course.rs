//! The course of a balance: entries in the order in which they moved it.
//!
//! Instants follow one another by `booked_at`. Within one the sender's own numbers decide where every
//! entry has one; else the balances do: entries that form one path have one order. Those that end
//! where they begin may be turned to begin at any of their balances: which, says what comes before
//! them or after them. What does not fit together is put in the order that is nearest; only where
//! nothing decides, arrival does, and [`Proof`] says so.
//!
//! Everything that says what a balance is goes by this: the API, the report, the page and its chart.

use std::collections::BTreeSet;

use crate::ledger::{Movement, Status};

use super::anew::leg_of;
use super::chains::{GROUP_MAX, Leg};
use super::trails;

/// Pieces that are joined by nearness; more of them stay in the order of arrival.
const PIECES_MAX: usize = 32;

/// Why an instant begins and ends where it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It can be no other way.
    Proven,
    /// Its entries do not fit together: one of several ways.
    Broken,
    /// Its entries fit together, but may begin at several balances.
    Undecided,
    /// An entry states no balance.
    Unstated,
}

/// Entries of one instant, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instant {
    /// When, microseconds.
    pub at: i64,
    /// In the order in which they moved the balance; never empty.
    pub entries: Vec<Movement>,
    /// The balance before the first.
    pub begin: Option<i64>,
    /// The balance after the last.
    pub end: Option<i64>,
    /// Whether begin and end are certain.
    pub proof: Proof,
}

/// What the entries of one instant show by themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Where they begin and end.
    Alone,
    /// That they end where they begin: the instants around them say where.
    Loop,
    /// That they do not fit together: the instant before may say more.
    Broken,
    /// Nothing, because one states no balance.
    Unstated,
}

enum Shape {
    Path(Vec<usize>),
    Loop(Vec<usize>, BTreeSet<i64>),
    Broken,
    Unstated,
}

/// Entries that nothing but their balances puts in order, in the order of arrival.
struct Group {
    entries: Vec<Movement>,
    legs: Vec<Leg>,
    shape: Shape,
    cut: bool,
}

impl Group {
    fn of(mut entries: Vec<Movement>) -> Group {
        entries.sort_unstable_by_key(|entry| entry.seq);
        let cut = entries.len() >= GROUP_MAX;
        entries.drain(..entries.len().saturating_sub(GROUP_MAX));
        let stated: Option<Vec<Leg>> = entries.iter().map(leg_of).collect();
        let legs = stated.unwrap_or_default();
        let shape = shape(&legs);
        Group { entries, legs, shape, cut }
    }

    fn begin(&self, walk: &[usize]) -> Option<i64> {
        walk.first().map(|leg| self.legs[*leg].before)
    }

    fn end(&self, walk: &[usize]) -> Option<i64> {
        walk.last().map(|leg| self.legs[*leg].after)
    }

    fn ordered(&self, walk: &[usize], proof: Proof) -> Instant {
        Instant {
            at: self.entries.first().map_or(0, |entry| entry.booked_at),
            entries: walk.iter().map(|leg| self.entries[*leg]).collect(),
            begin: self.begin(walk),
            end: self.end(walk),
            proof: if self.cut && proof == Proof::Proven { Proof::Undecided } else { proof },
        }
    }

    fn unstated(&self) -> Instant {
        let at = self.entries.first().map_or(0, |entry| entry.booked_at);
        Instant { at, entries: self.entries.clone(), begin: None, end: None, proof: Proof::Unstated }
    }

    /// The walk of a loop, turned to begin at `balance`.
    fn turned(&self, walk: &[usize], balance: i64) -> Vec<usize> {
        let mut turned = walk.to_vec();
        let from = walk.iter().position(|leg| self.legs[*leg].before == balance);
        turned.rotate_left(from.unwrap_or(0));
        turned
    }
}

fn shape(legs: &[Leg]) -> Shape {
    if legs.is_empty() {
        return Shape::Unstated;
    }
    let mut walks = trails::walks(None, legs, 0);
    let Some(walk) = walks.pop().filter(|_| walks.is_empty()) else { return Shape::Broken };
    let balances: BTreeSet<i64> = legs.iter().map(|leg| leg.before).collect();
    let closed = walk.first().map(|leg| legs[*leg].before) == walk.last().map(|leg| legs[*leg].after);
    if closed && balances.len() > 1 { Shape::Loop(walk, balances) } else { Shape::Path(walk) }
}

/// The groups of entries, in order; entries that moved nothing are left out.
fn groups(entries: &[Movement]) -> Vec<Group> {
    let mut booked: Vec<Movement> = entries.iter().filter(|entry| entry.status == Status::Booked).copied().collect();
    booked.sort_unstable_by_key(|entry| (entry.booked_at, entry.seq));
    let mut groups = Vec::new();
    for instant in booked.chunk_by_mut(|a, b| a.booked_at == b.booked_at) {
        if instant.iter().all(|entry| entry.account_seq.is_some()) {
            instant.sort_unstable_by_key(|entry| (entry.account_seq, entry.seq));
            groups.extend(instant.chunk_by(|a, b| a.account_seq == b.account_seq).map(|same| Group::of(same.to_vec())));
        } else {
            groups.push(Group::of(instant.to_vec()));
        }
    }
    groups
}

/// What the entries of one instant show by themselves.
pub fn standing(instant: &[Movement]) -> Standing {
    let groups = groups(instant);
    let any = |is: fn(&Shape) -> bool| groups.iter().any(|group| is(&group.shape));
    if any(|shape| matches!(shape, Shape::Broken)) {
        Standing::Broken
    } else if any(|shape| matches!(shape, Shape::Loop(..))) {
        Standing::Loop
    } else if any(|shape| matches!(shape, Shape::Unstated)) {
        Standing::Unstated
    } else {
        Standing::Alone
    }
}

/// Entries of one account, each instant's in the order in which they moved the balance. Where the
/// sender numbers them, one instant is as many as there are numbers.
pub fn course(entries: &[Movement]) -> Vec<Instant> {
    let groups = groups(entries);
    let mut found: Vec<Instant> = Vec::with_capacity(groups.len());
    // Where the group before ends, if it shows that by itself.
    let mut alone: Option<i64> = None;
    for (i, group) in groups.iter().enumerate() {
        let instant = match &group.shape {
            Shape::Path(walk) => group.ordered(walk, Proof::Proven),
            Shape::Loop(walk, _) => {
                let (balance, proof) = turn(&groups, i, found.last());
                group.ordered(&group.turned(walk, balance), proof)
            }
            Shape::Broken => group.ordered(&nearest(&group.legs, alone), Proof::Broken),
            Shape::Unstated => group.unstated(),
        };
        alone = instant.end.filter(|_| matches!(group.shape, Shape::Path(_)));
        found.push(instant);
    }
    found
}

/// Where the loop at `i` begins and ends: where the instant before ended, or where the one after begins.
fn turn(groups: &[Group], i: usize, before: Option<&Instant>) -> (i64, Proof) {
    let Shape::Loop(_, balances) = &groups[i].shape else { return (0, Proof::Undecided) };
    let ended = before.and_then(|before| Some((before.end?, before.proof)));
    if let Some((end, Proof::Proven)) = ended.filter(|(end, _)| balances.contains(end)) {
        return (end, Proof::Proven);
    }
    let mut left = balances.clone();
    for later in &groups[i + 1..] {
        match &later.shape {
            Shape::Path(walk) => {
                if let Some(begin) = later.begin(walk).filter(|begin| left.contains(begin)) {
                    return (begin, Proof::Proven);
                }
                break;
            }
            Shape::Loop(_, others) => {
                let both: BTreeSet<i64> = left.intersection(others).copied().collect();
                match (both.len(), both.first()) {
                    (1, Some(only)) => return (*only, Proof::Proven),
                    (0, _) => break,
                    _ => left = both,
                }
            }
            Shape::Broken | Shape::Unstated => break,
        }
    }
    if let Some((end, _)) = ended.filter(|(end, _)| left.contains(end)) {
        return (end, Proof::Undecided);
    }
    let first = groups[i].legs.iter().find(|leg| left.contains(&leg.before));
    (first.map_or(0, |leg| leg.before), Proof::Undecided)
}

/// Entries that do not fit together: what goes on from `start` first, then what begins nearest to an end.
fn nearest(legs: &[Leg], start: Option<i64>) -> Vec<usize> {
    let pieces = trails::walks(start, legs, 0);
    if pieces.len() > PIECES_MAX {
        return pieces.concat();
    }
    trails::walks(start, legs, i64::MAX).concat()
}
