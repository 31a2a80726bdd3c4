//! The register of erasures: a file beside the keys, outside every backup of the database, so that an
//! older copy does not bring back what was erased.
//!
//! It holds places and the first bytes of what the leaf there commits to, nothing personal. A place
//! counts only where the stored leaf has that commitment: after a loss the log may have gone on with
//! other leaves at the same places.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use sha2::{Digest, Sha256};

use crate::db::{Conn, Db, DbError, DbResult};
use crate::ids::Seq;
use crate::trail::keys::{KeyFolder, book};
use crate::trail::{ActError, Log, store as trail};

use super::{Cause, Ranges, erase, store};

/// How the file ends.
const FILE: &str = "erased";
/// Bytes of a commitment that are kept.
const KEPT: usize = 8;

/// What the register says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Register {
    /// Erasures by the event and the digest of their places.
    known: BTreeSet<(Seq, String)>,
    /// What the leaf at a place commits to, begun, and the event that erased it.
    places: BTreeMap<Seq, Vec<(String, Seq)>>,
}

impl Register {
    /// That of the book to which the log named `origin` belongs; empty if there is none yet.
    ///
    /// # Errors
    /// When it cannot be read, or a line of it is damaged.
    pub fn read(keys: &KeyFolder, origin: &str) -> DbResult<Register> {
        let mut register = Register::default();
        let text = keys.text(origin, FILE)?.unwrap_or_default();
        // A line without an end was being written when the power went; it is written again.
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
        for (number, line) in whole.lines().enumerate() {
            register.add(line).ok_or_else(|| {
                let path = keys.file(origin, FILE).display().to_string();
                DbError::Unfit(format!(
                    "line {} of the register of erasures {path} is damaged: put it back from its copy",
                    number + 1
                ))
            })?;
        }
        Ok(register)
    }

    fn add(&mut self, line: &str) -> Option<()> {
        let (line, sum) = line.rsplit_once(' ')?;
        if check(line) != sum {
            return None;
        }
        let mut words = line.split(' ');
        let (event, digest) = (words.next()?.parse().ok()?, words.next()?.to_owned());
        for word in words {
            let (place, blind) = word.split_once(':')?;
            self.places.entry(place.parse().ok()?).or_default().push((blind.to_owned(), event));
        }
        self.known.insert((event, digest));
        Some(())
    }

    /// The event under which the leaf at this place, which commits to `blind`, lost its private part.
    pub fn erased(&self, place: Seq, blind: &[u8]) -> Option<Seq> {
        let begun = begin(blind);
        self.places.get(&place)?.iter().rev().find(|(kept, _)| *kept == begun).map(|(_, event)| *event)
    }

    /// Places of the register whose private parts are stored, by the event that erased them.
    fn undone(&self, conn: &mut Conn) -> DbResult<BTreeMap<Seq, Vec<Seq>>> {
        let mut undone: BTreeMap<Seq, Vec<Seq>> = BTreeMap::new();
        let there = store::still_there(conn, &Ranges::of(self.places.keys().copied().collect()))?;
        for (place, blind) in store::blinds(conn, &there)? {
            if let Some(event) = self.erased(place, &blind) {
                undone.entry(event).or_default().push(place);
            }
        }
        Ok(undone)
    }
}

fn begin(blind: &[u8]) -> String {
    hex::encode(&blind[..blind.len().min(KEPT)])
}

fn check(line: &str) -> String {
    hex::encode(&Sha256::digest(line)[..KEPT])
}

/// Writes every erasure of the database that the register lacks.
///
/// # Errors
/// When the database cannot be read or the file not be written.
pub fn sync(db: &Db, keys: &KeyFolder) -> DbResult<()> {
    let Some(state) = db.read(trail::state)? else { return Ok(()) };
    let (rows, ranges) =
        db.read(|conn| conn.snapshot(|conn| Ok::<_, DbError>((store::erasures(conn)?, store::erased(conn)?))))?;
    if rows.is_empty() {
        return Ok(());
    }
    let register = Register::read(keys, &state.origin)?;
    let mut lines = String::new();
    for row in rows.iter().filter(|row| !register.known.contains(&(row.id, row.digest.clone()))) {
        let of = ranges.iter().filter(|range| range.event == row.id).map(|range| (range.first_seq, range.last_seq)).collect();
        let places = Ranges::stored(of).unwrap_or_default().all();
        let mut line = format!("{} {}", row.id, row.digest);
        for (place, blind) in db.read(|conn| store::blinds(conn, &places))? {
            line.push_str(&format!(" {place}:{}", begin(&blind)));
        }
        lines.push_str(&format!("{line} {}\n", check(&line)));
    }
    if lines.is_empty() { Ok(()) } else { append(keys, &state.origin, &lines) }
}

fn append(keys: &KeyFolder, origin: &str, lines: &str) -> DbResult<()> {
    let path = keys.file(origin, FILE);
    let failed = |e: std::io::Error| DbError::Unfit(format!("{} cannot be written: {e}", path.display()));
    // A torn end is taken away with everything whole kept.
    if let Some(text) = keys.text(origin, FILE)?.filter(|text| !text.is_empty() && !text.ends_with('\n')) {
        let whole = text.rfind('\n').map_or("", |end| &text[..=end]).to_owned();
        return keys.set_text(origin, FILE, &(whole + lines));
    }
    std::fs::create_dir_all(keys.dir()).map_err(failed)?;
    let mut file = OpenOptions::new().append(true).create(true).mode(0o600).open(&path).map_err(failed)?;
    file.write_all(lines.as_bytes()).and_then(|()| file.sync_all()).map_err(failed)
}

/// Erases again what the register names and the database holds: it is an older copy. Answers how many
/// places that were. To be called before anything is served.
///
/// # Errors
/// When the register is damaged, or the database fails.
pub fn reapply(db: &Db, log: &Log, keys: &KeyFolder) -> Result<i64, ActError> {
    let Some(state) = db.read(trail::state).map_err(ActError::Db)? else { return Ok(0) };
    let register = Register::read(keys, &state.origin)?;
    let undone = db.read(|conn| register.undone(conn)).map_err(ActError::Db)?;
    let mut erased = 0;
    for (again, places) in undone {
        let erasure = log.act(move |tx| erase(tx, Cause::Register { again }, &Ranges::of(places)))?;
        erased += erasure.places.places();
    }
    if erased > 0 {
        tracing::warn!(
            places = erased,
            book = book(&state.origin),
            "this database is an older copy: what the register of erasures names was erased again"
        );
        forget(db);
    }
    sync(db, keys).map_err(ActError::Db)?;
    Ok(erased)
}

/// Has the database overwrite what was removed, as far as it can while it is in use.
pub fn forget(db: &Db) {
    let tables = [
        "entry_parts",
        "event_parts",
        "sealed_parts",
        "accounts",
        "contexts",
        "searches",
        "alerts",
        "proposals",
        "inbox",
        "record_fields",
        "record_snapshots",
        "record_changes",
    ];
    let forgotten = db.connect().and_then(|mut conn| conn.forget_removed(&tables));
    if let Err(error) = forgotten {
        tracing::warn!(%error, "what was erased may linger in files of the database until it tidies up by itself");
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn line(text: &str) -> String {
        format!("{text} {}", check(text))
    }

    #[test]
    fn a_place_counts_only_with_its_commitment() {
        let mut register = Register::default();
        register.add(&line("40 d1 3:0101010101010101 9:0202020202020202")).unwrap();
        register.add(&line("80 d2 3:0303030303030303")).unwrap();
        assert_eq!(register.erased(3, &[1; 32]), Some(40));
        assert_eq!(register.erased(3, &[3; 32]), Some(80));
        assert_eq!(register.erased(3, &[4; 32]), None, "another leaf at the same place");
        assert_eq!(register.erased(4, &[1; 32]), None);
    }

    #[test]
    fn a_line_that_was_changed_is_damaged() {
        let good = line("40 d1 3:0101010101010101");
        for bad in [good.replace("3:", "4:"), good.replace("40", "41"), String::new(), "40".to_owned()] {
            assert_eq!(Register::default().add(&bad), None, "{bad}");
        }
    }
}
