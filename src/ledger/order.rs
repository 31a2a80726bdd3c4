//! The order of booked time on an account, as far as its entries keep to it.
//!
//! Most entries of an account are booked no earlier than all before them: among those, booked time
//! never decreases, so an instant is found by halving. The others (late ones, and attempts, which
//! move nothing) stand beside that order; each has a row that says how far booked time had come.

pub mod store;

use serde::{Deserialize, Serialize};

use crate::clock::Moment;
use crate::ids::Seq;

use store::AsideRow;

/// How far booked time has come on an account.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    reached: Option<Reached>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Reached {
    /// The latest booking time, microseconds.
    at: i64,
    /// The newest entry in order that was booked then.
    by: Seq,
}

/// An entry that is not in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aside {
    late_at: Option<i64>,
    reached: Option<Reached>,
}

impl Order {
    /// The latest booking time so far.
    pub fn reached(&self) -> Option<Moment> {
        self.reached.map(|reached| Moment(reached.at))
    }

    /// Takes the account's next entry, which got the place `seq` and moved money at `moved_at`, or only
    /// attempted to; answers what there is to say when it is not in order.
    pub fn place(&mut self, seq: Seq, moved_at: Option<Moment>) -> Option<Aside> {
        let reached = self.reached;
        let Some(Moment(booked_at)) = moved_at else { return Some(Aside { late_at: None, reached }) };
        if reached.is_some_and(|reached| booked_at < reached.at) {
            return Some(Aside { late_at: Some(booked_at), reached });
        }
        self.reached = Some(Reached { at: booked_at, by: seq });
        None
    }
}

impl Aside {
    /// The row for the entry at `seq`.
    pub fn row(self, seq: Seq, account: Seq) -> AsideRow {
        let Aside { late_at, reached } = self;
        AsideRow { seq, account, late_at, reached: reached.map(|r| r.at), reached_by: reached.map(|r| r.by) }
    }
}
