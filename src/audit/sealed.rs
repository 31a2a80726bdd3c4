//! L5: what is sealed, opened and held against the commitments, as far as a master key is at hand.
//!
//! The salt is sealed with the values, so without a key neither they nor what is plain beside them can
//! be held against the leaf: that is counted and said.

use counterfoil_verify::{EntryLeaf, commitment};

use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::ledger::store::EntryPartRow;
use crate::trail::keys::KeyFolder;
use crate::trail::sealing::store::SealedPartRow;
use crate::trail::sealing::{Fields, Opened, Opener};

use super::L5;
use super::erased::Erased;
use super::findings::Findings;

/// Opens what is sealed.
#[derive(Default)]
pub(super) struct Sealed {
    opener: Opener,
    known: Vec<Seq>,
    closed: u64,
}

impl Sealed {
    pub(super) fn read(conn: &mut Conn, keys: &KeyFolder, origin: &str) -> DbResult<Sealed> {
        let known = crate::trail::sealing::store::data_keys(conn)?.into_iter().map(|row| row.id).collect();
        Ok(Sealed { opener: Opener::at_hand(keys, origin)?.read(conn)?, known, closed: 0 })
    }

    pub(super) fn check(
        &mut self,
        row: &EntryLeaf<'_>,
        part: Option<&EntryPartRow>,
        sealed: &SealedPartRow,
        erased: &mut Erased,
        findings: &mut Findings,
    ) {
        let mut add = |kind, text: &str| findings.add((L5, kind), "sealed_parts", row.seq, text);
        if row.blind.len() != 32 {
            return add("private_part_unexpected", "a sealed part to which the leaf does not commit");
        }
        if let Some(event) = erased.under(row.seq) {
            return add("private_part_back", &format!("event {event} erased this private part, and it is there again"));
        }
        if self.known.binary_search(&sealed.data_key).is_err() {
            return add("data_key_unknown", "sealed under a key that there never was");
        }
        if part.is_some_and(|part| !part.salt.is_empty()) {
            return add("salt_in_clear", "the salt of a sealed part stands in the clear beside it");
        }
        if !self.opener.has(sealed.data_key) {
            self.closed += 1;
            return;
        }
        findings.checked(L5, 1);
        let opened = self.opener.open_known(sealed, row.blind);
        if opened.is_none_or(|opened| !is_right(row, part, sealed, &opened)) {
            findings.add((L5, "private_part_changed"), "sealed_parts", row.seq, "what is sealed is not what the leaf commits to");
        }
    }

    /// Says what could not be opened; answers what opens the rest.
    pub(super) fn finish(self, findings: &mut Findings) -> Opener {
        if self.closed > 0 {
            findings.note(L5, format!("{} sealed parts could not be opened: their master key is not in keys.dir", self.closed));
        }
        self.opener
    }
}

fn is_right(row: &EntryLeaf<'_>, part: Option<&EntryPartRow>, sealed: &SealedPartRow, opened: &Opened) -> bool {
    let fields = Fields(sealed.fields);
    let plain = part.map(EntryPartRow::listed).unwrap_or_default();
    if (0..5).any(|i| fields.has(i) && plain[i].is_some()) {
        return false;
    }
    let parts: [Option<&str>; 5] = std::array::from_fn(|i| opened.parts[i].as_deref().or(plain[i]));
    commitment(&opened.salt, &parts).is_ok_and(|hash| hash[..] == row.blind[..])
}
