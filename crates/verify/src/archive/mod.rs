//! An archive: a closed range of a log in files that verify on their own (`docs/archive.md`).
//!
//! It holds the leaves of the range, the events that its leaves refer to, the hashes by which all of
//! them are proven against a signed checkpoint, openings of private parts where they were asked for,
//! and tables to read. Everything in it but the checkpoint can be made again from the leaves and the
//! openings, and is: the program that writes an archive and the check use the same functions.

mod beside;
mod cells;
mod check;
mod definitions;
mod lines;
mod manifest;
mod names;
mod rows;
mod tables;
mod tiles;
mod trees;
mod values;
mod walk;

use std::io::BufRead;

pub use cells::{Cell, Column, ColumnKind, line};
pub use check::{Archive, Checked, check, sum_line};
pub use definitions::{CHANGED, Defined, Definitions, references};
pub use manifest::{FileEntry, LeftOut, Manifest, ManifestError};
pub use names::decimals;
pub use rows::{CHANGES, ENTRIES, EVENTS, Row, Table, rows_of};
pub use values::{Value, committed, parse_value, value_line};

/// The format, as a manifest names it.
pub const FORMAT: &str = "counterfoil-archive/1";

/// Leaves of which an archive begins and ends at a multiple: those of a tile.
pub const STEP: u64 = 256;

/// Leaves that one archive holds at most.
pub const MAX_LEAVES: u64 = 1 << 22;

/// What the archive consists of.
pub const MANIFEST: &str = "manifest.json";
/// The SHA-256 of the manifest, as `sha256sum` prints it.
pub const MANIFEST_SUM: &str = "manifest.sha256";
/// The hashes between the leaves that are known, 32 bytes each ([`crate::range`]).
pub const PROOF: &str = "proof";
/// The events before the range that its leaves refer to.
pub const DEFINITIONS: &str = "definitions.ndjson";
/// Their openings.
pub const PRIVATE_DEFINITIONS: &str = "private/definitions.ndjson";
/// The text for whoever finds the folder.
pub const README: &str = "README.txt";

/// The path of the file of values that are still there, by the leaf they belong to.
#[must_use]
pub fn values_path(seq: u64) -> String {
    format!("values/{:05}.ndjson", seq / crate::export::LEAVES_PER_FILE)
}

/// The path of the hashes of the full tiles of a level that lie wholly in the range, one after the other.
#[must_use]
pub fn tiles_path(level: u8) -> String {
    format!("tiles/{level}")
}

/// The full tiles of a level that lie wholly in a range: from the first to before the other.
#[must_use]
pub const fn tiles_within(level: u8, from: u64, to: u64) -> (u64, u64) {
    let shift = 8 * (level as u32 + 1);
    if shift > 63 {
        return (0, 0);
    }
    let (first, end) = (from.div_ceil(1 << shift), to >> shift);
    (first, if end < first { first } else { end })
}

/// The files of an archive, however they are stored.
pub trait Store {
    /// The paths of all files there are.
    ///
    /// # Errors
    /// When they cannot be listed.
    fn paths(&self) -> Result<Vec<String>, String>;

    /// A file, from its beginning; nothing when there is none of this path.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    fn open(&self, path: &str) -> Result<Option<Box<dyn BufRead>>, String>;
}

/// The text of [`README`].
#[must_use]
pub fn readme(origin: &str, from: u64, to: u64, private: bool) -> String {
    let parts = if private {
        "It holds private parts (folders private, values, tables): personal data. Keep it accordingly.\n"
    } else {
        "It holds no private parts; the leaves commit to them without revealing them.\n"
    };
    format!(
        "An archive of the log {origin}: leaves {from} to {}.\n\n{parts}\n\
         Folder tables is for reading. Verify all of it with a key that did not come with it:\n\
         from the paper kept at installation, or from a person, not from this folder.\n\n\
         \x20   counterfoil-verify archive FOLDER --key KEY\n\n\
         docs/archive.md says what each file is and how to write another verifier.\n",
        to.saturating_sub(1)
    )
}
