//! L0: every checkpoint of this log in `anchor.file`, however long it is.
//!
//! One that is stored just as it stands there is compared with the others that are stored; any other is held
//! against the leaves.

use counterfoil_verify::{Checkpoint, Note};

use crate::db::{Conn, DbError, DbResult};
use crate::ids::Seq;
use crate::trail::filed::AnchorFile;
use crate::trail::store;

use super::L0;
use super::checkpoints::Against;
use super::findings::Findings;

/// Notes held against the stored ones at once.
const PAGE: usize = 500;

/// A note of the file, with its number there.
type Numbered = (usize, Checkpoint, Note);

/// Compares what the file held when it was `end` bytes long; answers what is to be said of it, if one is configured.
pub(super) fn compare(
    conn: &mut Conn,
    file: &AnchorFile,
    end: &Result<Option<u64>, String>,
    against: &Against<'_>,
    findings: &mut Findings,
) -> DbResult<Option<String>> {
    let notes = match end {
        Ok(None) => return Ok(None),
        Ok(Some(end)) => file.notes(0, *end),
        Err(error) => Err(error.clone()),
    };
    let notes = match notes {
        Ok(notes) => notes,
        Err(error) => return Ok(Some(format!("{error}: nothing in it was looked at"))),
    };
    let (mut page, mut found) = (Vec::with_capacity(PAGE), 0_usize);
    for (note, number) in notes.into_iter().flatten().zip(1..) {
        let note = note.map_err(|error| DbError::Unfit(file.named(error)))?;
        let said = Checkpoint::parse(note.unverified_text()).ok().filter(|said| against.has(&said.origin));
        page.extend(said.map(|said| (number, said, note)));
        if page.len() == PAGE {
            found += page.len();
            compare_page(conn, &mut page, against, findings)?;
        }
    }
    found += page.len();
    compare_page(conn, &mut page, against, findings)?;
    Ok(Some(match found {
        0 => file.named("it holds no checkpoint of this log"),
        1 => "with the one in anchor.file".to_owned(),
        n => format!("with the {n} in anchor.file"),
    }))
}

fn compare_page(conn: &mut Conn, page: &mut Vec<Numbered>, against: &Against<'_>, findings: &mut Findings) -> DbResult<()> {
    let sizes: Vec<Seq> = page.iter().filter_map(|(_, said, _)| Seq::try_from(said.size).ok()).collect();
    let stored = store::roots_of_sizes(conn, &sizes)?;
    for (number, said, note) in page.drain(..) {
        findings.checked(L0, 1);
        let is = |(size, root): &(Seq, Vec<u8>)| Ok(said.size) == u64::try_from(*size) && said.root[..] == root[..];
        if stored.iter().any(is) || !against.knows(&said.origin) {
            continue;
        }
        if let Err((kind, place, why)) = against.brought(conn, &note)? {
            let kind = if place.is_none() { "kept_unreadable" } else { kind };
            findings.add((L0, kind), "checkpoints", place, format!("anchor.file, note {number}: {why}"));
        }
    }
    Ok(())
}
