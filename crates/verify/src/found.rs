//! What a file that was handed over holds: proofs and signed notes, whatever mail programs made of them.
//!
//! Whoever keeps a mail keeps it quoted, with other line ends, as HTML, in quoted-printable or base64, several in one
//! file. All that is there is found, in its order, so that nothing that speaks against the log is passed over. A file is
//! read in each way it may have been encoded; what begins at the same place in two readings is one thing, and counts as
//! the reading in which it has the form it should. What is found is only form: signatures decide.

use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;

use crate::checkpoint::{Checkpoint, MAX_EXTENSIONS};
use crate::heads_proof::HeadsProof;
use crate::mail::{self, Line, Place};
use crate::note::{self, MAX_BYTES, Note};
use crate::tlog_proof::TlogProof;

/// What names a proof in its first line, whatever its version.
const MARKS: [&str; 2] = ["c2sp.org/tlog-proof@", "counterfoil-heads-proof@"];

/// The proofs and notes of a file, each once, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    /// Proofs, or what should be some.
    pub proofs: Vec<Proof>,
    /// Signed notes as they are to be read by [`Note::parse`], those at the ends of proofs among them.
    pub notes: Vec<String>,
}

/// A proof, or what should be one: its text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Proof {
    /// Of a leaf, for [`TlogProof::parse`].
    Leaf(String),
    /// About an account, for [`HeadsProof::parse`].
    Account(String),
}

impl Found {
    /// What is in a file.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let text = String::from_utf8_lossy(content);
        let (mut proofs, mut notes) = (BTreeMap::new(), BTreeMap::new());
        for lines in mail::readings(&text) {
            Reading::of(lines).scan(&mut proofs, &mut notes);
        }
        Self { proofs: distinct(proofs), notes: distinct(notes) }
    }

    /// The notes of a file of this name, each under a name of its own; of a file without any, the whole, which
    /// whoever opens it will say of what it lacks.
    #[must_use]
    pub fn notes_named(name: &str, content: &[u8]) -> Vec<(String, Vec<u8>)> {
        let notes = Self::of(content).notes;
        match notes.len() {
            0 => vec![(name.to_owned(), content.to_vec())],
            1 => notes.into_iter().map(|note| (name.to_owned(), note.into_bytes())).collect(),
            _ => notes.into_iter().zip(1..).map(|(note, n)| (format!("{name}, note {n}"), note.into_bytes())).collect(),
        }
    }
}

impl Note {
    /// The last note in a text such as a saved mail, at most [`MAX_BYTES`] long. See [`Found`].
    #[must_use]
    pub fn find(bytes: impl AsRef<[u8]>) -> Option<Self> {
        let bytes = bytes.as_ref();
        if bytes.len() > MAX_BYTES {
            return None;
        }
        Found::of(bytes).notes.iter().rev().find_map(|note| Self::parse(note).ok())
    }

    /// The last note in a text that is not encoded.
    pub(crate) fn find_plain(bytes: &[u8]) -> Option<Self> {
        let mut notes = BTreeMap::new();
        Reading::of(mail::lines(&String::from_utf8_lossy(bytes))).scan(&mut BTreeMap::new(), &mut notes);
        distinct(notes).iter().rev().find_map(|note| Self::parse(note).ok())
    }
}

impl Proof {
    fn of(text: String, is_account: bool) -> Self {
        if is_account { Self::Account(text) } else { Self::Leaf(text) }
    }
}

/// Something with the place at which it begins.
trait Form {
    /// Whether it has the form it should.
    fn is_whole(&self) -> bool;
}

impl Form for Proof {
    fn is_whole(&self) -> bool {
        match self {
            Self::Leaf(text) => TlogProof::parse(text).is_ok(),
            Self::Account(text) => HeadsProof::parse(text).is_ok(),
        }
    }
}

impl Form for String {
    fn is_whole(&self) -> bool {
        is_checkpoint(self)
    }
}

fn is_checkpoint(text: &str) -> bool {
    Note::parse(text).is_ok_and(|note| Checkpoint::parse(note.unverified_text()).is_ok())
}

/// Each once: text and HTML of a mail say the same.
fn distinct<T: Clone + Eq + Hash>(by_place: BTreeMap<Place, T>) -> Vec<T> {
    let mut known = HashSet::new();
    by_place.into_values().filter(|one| known.insert(one.clone())).collect()
}

fn put<T: Form>(by_place: &mut BTreeMap<Place, T>, place: Place, one: T) {
    let better = by_place.get(&place).is_none_or(|known| !known.is_whole() && one.is_whole());
    if better {
        by_place.insert(place, one);
    }
}

/// One way to read a file.
struct Reading {
    lines: Vec<Line>,
    /// The lines without what mail programs put around them; none for a line that ends what stands before it.
    bare: Vec<Option<String>>,
}

impl Reading {
    fn of(lines: Vec<Line>) -> Self {
        let bare = lines.iter().map(|line| line.text.as_deref().map(mail::bare)).collect();
        Self { lines, bare }
    }

    fn bare(&self, at: usize) -> &str {
        self.bare[at].as_deref().unwrap_or_default()
    }

    fn is_signature(&self, at: usize) -> bool {
        note::is_signature_line(self.bare(at))
    }

    /// Takes block after block: each ends with signatures, before a line that is not to be read, or with the text.
    fn scan(&self, proofs: &mut BTreeMap<Place, Proof>, notes: &mut BTreeMap<Place, String>) {
        let (mut from, mut at) = (0, 0);
        while at < self.lines.len() {
            if self.is_signature(at) {
                let signed = at;
                while at < self.lines.len() && self.is_signature(at) {
                    at += 1;
                }
                let own = self.proofs_of(from, signed, at, proofs);
                if let Some(note) = self.note_of(from, signed, at).filter(|note| !own || is_checkpoint(note)) {
                    put(notes, self.lines[signed].place, note);
                }
                from = at;
            } else if self.bare[at].is_none() {
                self.proofs_of(from, at, at, proofs);
                at += 1;
                from = at;
            } else {
                at += 1;
            }
        }
        self.proofs_of(from, at, at, proofs);
    }

    /// The proofs of a block, or what should be some: from a line that names one to the signatures. One about an
    /// account has another within it.
    fn proofs_of(&self, from: usize, signed: usize, end: usize, proofs: &mut BTreeMap<Place, Proof>) -> bool {
        let named = |at: usize| MARKS.iter().position(|mark| self.bare(at).contains(mark));
        let marks: Vec<(usize, bool)> = (from..signed).filter_map(|at| Some((at, named(at)? == 1))).collect();
        let at_its_begin = |(at, is_account): &(usize, bool)| self.bare(*at).starts_with(MARKS[usize::from(*is_account)]);
        // Where lines begin so, other lines only speak of proofs.
        let spoken = !marks.iter().any(at_its_begin);
        let mut begins: Vec<(usize, bool)> = Vec::new();
        let mut around = false;
        for mark in marks.iter().filter(|mark| spoken || at_its_begin(mark)) {
            let is_within = around && !mark.1;
            around = mark.1;
            if !is_within {
                begins.push(*mark);
            }
        }
        let ends = begins.iter().skip(1).map(|(at, _)| *at).chain([end]);
        for ((at, is_account), end) in begins.iter().zip(ends) {
            let raw = Proof::of(self.raw(*at, end), *is_account);
            let proof = if raw.is_whole() { raw } else { Proof::of(self.bared(*at, end), *is_account) };
            put(proofs, self.lines[*at].place, proof);
        }
        !marks.is_empty()
    }

    /// The note of a block with signatures: the text above them ends with an empty line, and begins with the block if
    /// that makes it a checkpoint; else where a checkpoint of three lines, and any extension lines, begins. What reads as
    /// no checkpoint at all begins three lines before: opening it says what is wrong with it.
    fn note_of(&self, from: usize, signed: usize, end: usize) -> Option<String> {
        let blank = signed.checked_sub(1).filter(|at| *at >= from && self.bare(*at).is_empty())?;
        let begin = (from..blank).find(|at| !self.bare(*at).is_empty())?;
        let is_as_it_was = self.lines[begin].text.as_deref() == Some(self.bare(begin));
        let raw = is_as_it_was.then(|| self.raw(begin, end)).filter(|text| is_checkpoint(text));
        let whole = raw.or_else(|| Some(self.bared(begin, end)).filter(|text| is_checkpoint(text)));
        let three = blank.checked_sub(3).filter(|three| *three >= from);
        let nearest = || {
            let three = three?;
            let furthest = three.saturating_sub(MAX_EXTENSIONS).max(from);
            let all = (furthest..=three).rev().map(|begin| self.bared(begin, end));
            all.into_iter()
                .find(|text| is_checkpoint(text))
                .or_else(|| self.is_signed_in_earnest(signed, end).then(|| self.bared(three, end)))
        };
        whole.or_else(nearest)
    }

    /// Whether a signature is as long as those of keys are: a name under a letter can look like a short one.
    fn is_signed_in_earnest(&self, signed: usize, end: usize) -> bool {
        (signed..end).any(|at| note::signature_length(self.bare(at)) >= 64)
    }

    fn raw(&self, from: usize, end: usize) -> String {
        self.lines[from..end].iter().map(|line| format!("{}\n", line.text.as_deref().unwrap_or_default())).collect()
    }

    fn bared(&self, from: usize, end: usize) -> String {
        (from..end).map(|at| format!("{}\n", self.bare(at))).collect()
    }
}
