//! Section `archive`: closed ranges of the log in files of their own.

use serde::{Deserialize, Serialize};

/// Leaves of a tile: a segment is a multiple of them.
const TILE: u64 = 256;
/// Leaves of one archive at most.
const SEGMENT_MAX: u64 = 1 << 22;
/// Days before which nothing is archived, at most: a century.
const DAYS_MAX: u32 = 36_525;

/// Section `archive`.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(default, deny_unknown_fields)]
pub struct Archive {
    /// The folder that gets an archive of each closed segment, a folder each; empty: none are made by the clock.
    pub folder: String,
    /// Days after which a leaf is archived.
    pub after_days: u32,
    /// Leaves of a segment: a multiple of 256.
    pub segment_leaves: u64,
    /// The formats of the tables.
    pub format: ArchiveFormat,
    /// With private parts and values: personal data, which erasure does not reach there.
    pub private: bool,
}

/// Formats of the tables of an archive.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum ArchiveFormat {
    /// A JSON object a line.
    Ndjson,
    /// Parquet.
    Parquet,
    /// Both.
    #[default]
    Both,
}

impl ArchiveFormat {
    /// From its name; `jsonl` is `ndjson`.
    pub fn parse(text: &str) -> Option<ArchiveFormat> {
        Some(match text {
            "ndjson" | "jsonl" => ArchiveFormat::Ndjson,
            "parquet" => ArchiveFormat::Parquet,
            "both" => ArchiveFormat::Both,
            _ => return None,
        })
    }

    /// Whether it has NDJSON.
    pub fn ndjson(self) -> bool {
        self != ArchiveFormat::Parquet
    }

    /// Whether it has Parquet.
    pub fn parquet(self) -> bool {
        self != ArchiveFormat::Ndjson
    }
}

impl Default for Archive {
    fn default() -> Archive {
        Archive { folder: String::new(), after_days: 1, segment_leaves: 65_536, format: ArchiveFormat::Both, private: false }
    }
}

/// Why these settings cannot be used.
pub(super) fn unfit(archive: &Archive) -> Option<String> {
    let leaves = archive.segment_leaves;
    if !(TILE..=SEGMENT_MAX).contains(&leaves) || !leaves.is_multiple_of(TILE) {
        return Some(format!("archive.segment_leaves must be a multiple of {TILE}, at most {SEGMENT_MAX}"));
    }
    (archive.after_days > DAYS_MAX).then(|| format!("archive.after_days must be at most {DAYS_MAX}"))
}
