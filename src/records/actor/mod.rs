//! Who changes records. A source names its people as it likes, so an actor is known by the source and the
//! name; [`actor_key`] alone says which names are the same person.

pub(super) mod store;

use crate::clock::Moment;
use crate::db::{Conn, DbResult};
use crate::detect::changes::{Earlier, LookBack, Past};
use crate::ids::Seq;

/// By what an actor of one source is known: the name without blanks around it, `A` to `Z` as `a` to `z`. The
/// databases' indexes on actors say the same (migration `actors`).
pub fn actor_key(name: &str) -> String {
    name.trim_matches(' ').to_ascii_lowercase()
}

/// What an actor changed near an instant and was recorded so far, in whatever order it came: as far as the rules
/// look, before and after.
pub(super) fn past(conn: &mut Conn, (source, actor): (Seq, &str), at: Moment, look: LookBack) -> DbResult<Past> {
    let key = actor_key(actor);
    let most = i64::try_from(look.most).unwrap_or(i64::MAX);
    let mut rows = store::until(conn, (source, &key), (at.0.saturating_sub(look.window), at.0), most)?;
    let later = store::after(conn, (source, &key), (at.0, at.0.saturating_add(look.window)), most)?;
    let cut = rows.len() >= look.most || later.len() >= look.most;
    rows.extend(later);
    let changes = rows.into_iter().map(|(seq, record, at)| Earlier { seq, record, at: Moment(at) }).collect();
    Ok(Past { changes, cut })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_actor_is_the_same_however_its_letters_are_written() {
        assert_eq!(actor_key(" John_DOE "), "john_doe");
        assert_eq!(actor_key("MÜLLER"), "mÜller", "as both databases fold: only A to Z");
    }
}
