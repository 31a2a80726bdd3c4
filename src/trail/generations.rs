//! Under which names the log went on. A log continued after a loss has a new origin from one place on:
//! every leaf carries the name of its own generation, so that nothing signed under the old name
//! contradicts what came after.

use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;

use super::store::{self, GenerationRow};

/// The event by which a log goes on under a new name.
pub const RECOVERED: &str = counterfoil_verify::generation::KIND;

/// The names of the log, each with the place it begins at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origins {
    /// Never empty; the first begins at 0.
    list: Vec<(Seq, String)>,
}

impl Origins {
    /// One name from the beginning on.
    pub fn one(origin: &str) -> Origins {
        Origins { list: vec![(0, origin.to_owned())] }
    }

    /// As stored; of a log that has none stored, the name in its state.
    ///
    /// # Errors
    /// When there is no log.
    pub fn of(conn: &mut Conn) -> DbResult<Origins> {
        let rows = store::generations(conn)?;
        if rows.first().is_some_and(|first| first.first_seq == 0) {
            return Ok(Origins { list: rows.into_iter().map(|row| (row.first_seq, row.origin)).collect() });
        }
        let state = store::state(conn)?.ok_or_else(|| DbError::Corrupt("the log state is missing".into()))?;
        Ok(Origins::one(&state.origin))
    }

    /// The name in the leaf at `seq`.
    pub fn at(&self, seq: Seq) -> &str {
        let found = self.list.iter().rev().find(|(first, _)| *first <= seq);
        found.map_or("", |(_, origin)| origin)
    }

    /// The name under which a checkpoint of so many leaves was signed: that of the last of them.
    pub fn of_size(&self, size: Seq) -> &str {
        self.at((size - 1).max(0))
    }

    /// The leaves of the generation of this name end before the place answered; `None` if it goes on or
    /// there is no such generation.
    pub fn end_of(&self, origin: &str) -> Option<Seq> {
        let at = self.list.iter().position(|(_, name)| name == origin)?;
        self.list.get(at + 1).map(|(first, _)| *first)
    }

    /// Every name, the oldest first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.list.iter().map(|(_, origin)| origin.as_str())
    }

    /// The places where a new name began after a loss.
    pub fn recoveries(&self) -> impl Iterator<Item = Seq> {
        self.list.iter().skip(1).map(|(first, _)| *first)
    }
}

/// Notes that the leaves from `first_seq` on have this name.
///
/// # Errors
/// When it cannot be stored.
pub fn begin(conn: &mut Conn, first_seq: Seq, origin: &str) -> DbResult<()> {
    crate::db::bulk::append(conn, &[GenerationRow { first_seq, origin: origin.to_owned() }])
}

/// The name after this one: `…/g2` after `…/g1`.
pub fn next_name(origin: &str) -> String {
    counterfoil_verify::generation::next(origin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_reaches_to_the_next() {
        let origins = Origins { list: vec![(0, "a/g1".into()), (40, "a/g2".into()), (90, "a/g3".into())] };
        let at = |seq| origins.at(seq);
        assert_eq!([at(0), at(39), at(40), at(89), at(90)], ["a/g1", "a/g1", "a/g2", "a/g2", "a/g3"]);
        assert_eq!([origins.of_size(0), origins.of_size(40), origins.of_size(41)], ["a/g1", "a/g1", "a/g2"]);
        assert_eq!((origins.end_of("a/g1"), origins.end_of("a/g3"), origins.end_of("b")), (Some(40), None, None));
        assert_eq!(origins.recoveries().collect::<Vec<_>>(), [40, 90]);
    }

    #[test]
    fn the_next_name_counts_on() {
        assert_eq!(next_name("counterfoil/main/ab/g1"), "counterfoil/main/ab/g2");
        assert_eq!(next_name("counterfoil/main/ab/g9"), "counterfoil/main/ab/g10");
        assert_eq!(next_name("bank.example/trail"), "bank.example/trail/g2");
    }
}
