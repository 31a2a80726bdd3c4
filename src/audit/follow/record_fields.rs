//! L5 and L4: the values of changes against the commitments in their events, and snapshots against the
//! fields they were made of.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use crate::db::{Conn, DbResult};
use crate::ids::Seq;
use crate::records::store::{FieldRow, SnapshotRow, sets_of, steps};
use crate::records::{Held, SNAPSHOT_EVERY, TORN, apply, open, row_commitment, snapshot_body};
use crate::trail::sealing::Opener;

use super::super::findings::Findings;
use super::super::{L4, L5};
use super::records::Said;
use super::{extra, missing, store};

/// Snapshots read at once.
const PAGE: i64 = 500;

/// What is known of values while changes go by.
pub(super) struct Values<'o> {
    opener: &'o mut Opener,
    closed: u64,
    /// Records of which a change was erased: what it took away cannot be told any more.
    torn: BTreeSet<Seq>,
}

impl<'o> Values<'o> {
    pub(super) fn new(opener: &'o mut Opener) -> Values<'o> {
        Values { opener, closed: 0, torn: BTreeSet::new() }
    }

    /// The fields of a stretch of changes.
    pub(super) fn compare(&mut self, conn: &mut Conn, said: &[Said], range: (Seq, Seq), findings: &mut Findings) -> DbResult<()> {
        let mut rows: BTreeMap<Seq, Vec<FieldRow>> = BTreeMap::new();
        for row in store::record_fields(conn, range)? {
            rows.entry(row.seq).or_default().push(row);
        }
        for said in said {
            let own = rows.remove(&said.seq).unwrap_or_default();
            match &said.private {
                Some(_) => self.of_change(conn, said, &own, findings)?,
                None => {
                    self.torn.insert(said.public.record);
                    if !own.is_empty() {
                        let text = "the private part of this change was erased, and its values are there";
                        findings.add((L5, "private_part_back"), "record_fields", said.seq, text);
                    }
                }
            }
        }
        rows.into_keys().for_each(|seq| extra("record_fields", seq, findings));
        Ok(())
    }

    fn of_change(&mut self, conn: &mut Conn, said: &Said, rows: &[FieldRow], findings: &mut Findings) -> DbResult<()> {
        let (public, private) = (&said.public, said.private.clone().unwrap_or_default());
        let places = rows.iter().zip(0..).all(|(row, n)| row.n == n);
        if rows.len() != public.fields.len() || private.paths.len() != rows.len() || !places {
            missing("record_fields", said.seq, findings);
            return Ok(());
        }
        for (at, row) in rows.iter().enumerate() {
            findings.checked(L5, 1);
            let sealed = public.sealed.binary_search(&at).ok();
            let digests = sealed.and_then(|nth| private.digests.get(nth).cloned()).unwrap_or_default();
            let named = row.path == private.paths[at] && digests == (row.old_digest.clone(), row.new_digest.clone());
            let commitment = hex::decode(&public.fields[at]).unwrap_or_default();
            let right = match sealed {
                None => is_plain(row) && plain(row) == Some(commitment),
                Some(_) => named && self.sealed(conn, row, &commitment)?,
            };
            if !right || !named {
                let detail = format!("field {at} is not what the event commits to");
                findings.add((L5, "private_part_changed"), "record_fields", said.seq, detail);
            }
        }
        Ok(())
    }

    fn sealed(&mut self, conn: &mut Conn, row: &FieldRow, commitment: &[u8]) -> DbResult<bool> {
        if row.old.is_some() || row.new.is_some() || row.salt.is_some() {
            return Ok(false);
        }
        let Some(data_key) = row.data_key else { return Ok(false) };
        let opened = open(conn, self.opener, row, commitment)?;
        if !self.opener.has(data_key) {
            self.closed += 1;
            return store::is_data_key(conn, data_key);
        }
        let Some((salt, new)) = opened else { return Ok(false) };
        let whole = FieldRow { new, ..row.clone() };
        Ok(row_commitment(&whole, &salt).is_some_and(|hash| hash[..] == *commitment))
    }

    /// Snapshots, once every change has gone by.
    pub(super) fn finish(self, conn: &mut Conn, heads: &BTreeMap<Seq, i64>, findings: &mut Findings) -> DbResult<()> {
        if self.closed > 0 {
            findings.note(L5, format!("{} sealed values could not be opened: their master key is not in keys.dir", self.closed));
        }
        let mut left: HashMap<Seq, i64> =
            heads.iter().map(|(record, version)| (*record, version / SNAPSHOT_EVERY)).filter(|(_, n)| *n > 0).collect();
        let (mut after, mut before) = ((Seq::MIN, Seq::MIN), None::<SnapshotRow>);
        loop {
            let rows = store::snapshots_after(conn, after, PAGE)?;
            let Some(last) = rows.last() else { break };
            after = (last.record, last.version);
            for row in rows {
                let due = heads
                    .get(&row.record)
                    .is_some_and(|head| row.version > 0 && row.version % SNAPSHOT_EVERY == 0 && row.version <= *head);
                if !due {
                    extra("record_snapshots", row.record, findings);
                    continue;
                }
                findings.checked(L4, 1);
                if let Some(n) = left.get_mut(&row.record) {
                    *n -= 1;
                }
                let known = before.take().filter(|before| before.record == row.record);
                if !self.is_right(conn, known.as_ref(), &row)? {
                    let detail = format!("the snapshot at version {} is not what the fields before it give", row.version);
                    findings.add((L4, "row_differs"), "record_snapshots", row.record, detail);
                }
                before = Some(row);
            }
        }
        left.into_iter().filter(|(_, n)| *n > 0).for_each(|(record, _)| missing("record_snapshots", record, findings));
        Ok(())
    }

    fn is_right(&self, conn: &mut Conn, before: Option<&SnapshotRow>, row: &SnapshotRow) -> DbResult<bool> {
        let said = read(row);
        if self.torn.contains(&row.record) {
            let places: Vec<Seq> = said.values().map(|(seq, _)| *seq).collect();
            let there = sets_of(conn, &places)?;
            let known = |path: &str, (seq, n): &(Seq, i32)| there.iter().any(|f| f.seq == *seq && f.n == *n && f.path == path);
            return Ok(said.iter().all(|(path, place)| known(path, place)));
        }
        let mut values: BTreeMap<String, Held> = BTreeMap::new();
        for (path, (seq, n)) in before.map(read).unwrap_or_default() {
            values.insert(path, Held { seq, n, value: None, digest: None });
        }
        let after = before.map_or(0, |before| before.version);
        let steps = steps(conn, row.record, (after, row.version))?;
        let places: Vec<Seq> = steps.iter().map(|(seq, ..)| *seq).collect();
        let mut sets = sets_of(conn, &places)?.into_iter().peekable();
        for (seq, action, _) in steps {
            apply(&mut values, action, std::iter::from_fn(|| sets.next_if(|set| set.seq == seq)));
        }
        Ok(snapshot_body(&values, false) == row.body)
    }
}

fn read(row: &SnapshotRow) -> BTreeMap<String, (Seq, i32)> {
    let places: Vec<(String, Seq, i32)> = serde_json::from_str(&row.body).unwrap_or_default();
    places.into_iter().filter(|(_, seq, _)| *seq != TORN.1).map(|(path, seq, n)| (path, (seq, n))).collect()
}

fn is_plain(row: &FieldRow) -> bool {
    row.data_key.is_none() && row.nonce.is_none() && row.sealed.is_none()
}

fn plain(row: &FieldRow) -> Option<Vec<u8>> {
    let salt: [u8; 32] = row.salt.as_deref()?.try_into().ok()?;
    row_commitment(row, &salt).map(|hash| hash.to_vec())
}
