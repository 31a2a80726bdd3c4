//! The names of the log and the changes of its key.

use std::collections::BTreeMap;

use counterfoil_verify::{Note, Rotation};

use crate::db::{Conn, DbResult, bulk};
use crate::ids::Seq;
use crate::trail::store::{self, GenerationRow, RotationRow};

use super::super::event::Event;
use super::super::findings::Findings;
use super::super::{L0, L4};
use super::{extra, missing, same};

#[derive(Default)]
pub(super) struct Names {
    generations: BTreeMap<Seq, GenerationRow>,
    rotations: BTreeMap<Seq, RotationRow>,
}

impl Names {
    pub(super) fn meet(&mut self, event: Event) {
        let (seq, origin) = (event.seq, event.text("origin"));
        if event.kind != "log.key_rotated" {
            self.generations.insert(seq, GenerationRow { first_seq: seq, origin });
            return;
        }
        let (old_key, new_key, note) = (event.text("old"), event.text("new"), event.text("note"));
        self.rotations.insert(seq, RotationRow { id: seq, origin, size: event.number("size"), old_key, new_key, note });
    }

    pub(super) fn build(self, conn: &mut Conn) -> DbResult<()> {
        bulk::append(conn, &self.generations.into_values().collect::<Vec<_>>())?;
        bulk::append(conn, &self.rotations.into_values().collect::<Vec<_>>())
    }

    pub(super) fn finish(mut self, conn: &mut Conn, findings: &mut Findings) -> DbResult<()> {
        for row in store::generations(conn)? {
            match self.generations.remove(&row.first_seq) {
                Some(expected) => same("generations", row.first_seq, &row, &expected, findings),
                None => extra("generations", row.first_seq, findings),
            }
        }
        self.generations.into_keys().for_each(|seq| missing("generations", seq, findings));
        for row in store::rotations(conn)? {
            match self.rotations.remove(&row.id) {
                Some(expected) => {
                    same("key_rotations", row.id, &row, &expected, findings);
                    stated(&expected, findings);
                }
                None => extra("key_rotations", row.id, findings),
            }
        }
        self.rotations.into_keys().for_each(|seq| missing("key_rotations", seq, findings));
        Ok(())
    }
}

/// The statement bears both signatures, and says what its event says.
fn stated(row: &RotationRow, findings: &mut Findings) {
    let opened = Note::parse(&row.note).map_err(|e| e.to_string());
    let opened = opened.and_then(|note| Rotation::open(&note).map_err(|e| e.to_string()));
    match opened {
        Err(why) => findings.add((L0, "rotation_untrusted"), "key_rotations", row.id, why),
        Ok(said) => {
            let keys = (said.old.to_string(), said.new.to_string());
            let right = said.origin == row.origin && i64::try_from(said.size) == Ok(row.size) && row.size == row.id;
            if !right || keys != (row.old_key.clone(), row.new_key.clone()) {
                let text = "the statement that both keys signed says something else than its event";
                findings.add((L4, "rotation_differs"), "key_rotations", row.id, text);
            }
        }
    }
}
