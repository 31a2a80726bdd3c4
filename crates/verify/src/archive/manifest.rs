//! What an archive consists of. It is written in one way only, so that no byte of it can change unseen.

use std::error::Error;
use std::fmt::{self, Write as _};

use serde_json::Value;

use crate::export::{LEAVES_PER_FILE, leaves_path, private_path};
use crate::leaf::Hash;
use crate::text::{from_hex, hex};

use super::rows::Table;
use super::{DEFINITIONS, FORMAT, MAX_LEAVES, PRIVATE_DEFINITIONS, PROOF, README, STEP, tiles_path, tiles_within, values_path};

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileEntry {
    /// Its path in the folder.
    pub path: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: Hash,
}

/// What the leaves commit to and the archive does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// `private parts` or `values`.
    pub what: String,
    /// `not_asked`, `sealed` or `erased`.
    pub why: String,
    /// How many.
    pub count: u64,
}

/// The manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Name of the log.
    pub origin: String,
    /// The first leaf.
    pub from: u64,
    /// The leaf before which it ends.
    pub to: u64,
    /// Leaves that the checkpoint covers.
    pub size: u64,
    /// The root of the checkpoint.
    pub root: Hash,
    /// Whether it was made with private parts.
    pub private: bool,
    /// The tables' formats: `ndjson`, `parquet`.
    pub tables: Vec<String>,
    /// Leaves that are entries.
    pub entries: u64,
    /// Leaves that are events.
    pub events: u64,
    /// Events before the range that its leaves refer to.
    pub definitions: u64,
    /// Openings of private parts.
    pub openings: u64,
    /// Openings of values of changes.
    pub values: u64,
    /// What is committed to and not here.
    pub left_out: Vec<LeftOut>,
    /// The files, but for the manifest and its sum, in order of their paths.
    pub files: Vec<FileEntry>,
}

/// What cannot be used of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ManifestError(pub String);

impl fmt::Display for ManifestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for ManifestError {}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

impl Manifest {
    /// The bytes of the file.
    #[must_use]
    pub fn render(&self) -> String {
        let mut out = String::from("{\n");
        let mut member = |name: &str, value: String| {
            let _ = writeln!(out, " {}: {value},", quoted(name));
        };
        member("format", quoted(FORMAT));
        member("origin", quoted(&self.origin));
        member("from", self.from.to_string());
        member("to", self.to.to_string());
        member("size", self.size.to_string());
        member("root", quoted(&hex(&self.root)));
        member("private", self.private.to_string());
        let tables: Vec<String> = self.tables.iter().map(|t| quoted(t)).collect();
        member("tables", format!("[{}]", tables.join(", ")));
        for (name, count) in [
            ("entries", self.entries),
            ("events", self.events),
            ("definitions", self.definitions),
            ("openings", self.openings),
            ("values", self.values),
        ] {
            member(name, count.to_string());
        }
        let left =
            |l: &LeftOut| format!("{{\"what\": {}, \"why\": {}, \"count\": {}}}", quoted(&l.what), quoted(&l.why), l.count);
        member("left_out", format!("[{}]", self.left_out.iter().map(left).collect::<Vec<_>>().join(", ")));
        let file = |f: &FileEntry| {
            format!("  {{\"path\": {}, \"bytes\": {}, \"sha256\": {}}}", quoted(&f.path), f.bytes, quoted(&hex(&f.sha256)))
        };
        let files: Vec<String> = self.files.iter().map(file).collect();
        let _ = write!(out, " \"files\": [\n{}\n ]\n}}\n", files.join(",\n"));
        out
    }

    /// Reads the file.
    ///
    /// # Errors
    /// When it is not as [`Self::render`] writes it, byte for byte, or describes no archive.
    pub fn parse(bytes: &[u8]) -> Result<Self, ManifestError> {
        let wrong = |what: &str| ManifestError(format!("manifest.json {what}"));
        let json: Value = serde_json::from_slice(bytes).map_err(|e| wrong(&format!("is not JSON: {e}")))?;
        if json.get("format").and_then(Value::as_str) != Some(FORMAT) {
            return Err(wrong(&format!("is not of the format {FORMAT}")));
        }
        let manifest = Self::read(&json).ok_or_else(|| wrong("lacks a member, or one has another type"))?;
        if manifest.render().as_bytes() != bytes {
            return Err(wrong("is not written as it must be: it was changed"));
        }
        let whole = manifest.from.is_multiple_of(STEP) && manifest.to.is_multiple_of(STEP) && manifest.from < manifest.to;
        if !whole || manifest.to > manifest.size || manifest.to - manifest.from > MAX_LEAVES {
            return Err(wrong(&format!(
                "names no closed range: {} to before {} of {} leaves",
                manifest.from, manifest.to, manifest.size
            )));
        }
        Ok(manifest)
    }

    fn read(json: &Value) -> Option<Self> {
        let number = |name: &str| json.get(name)?.as_u64();
        let text = |json: &Value, name: &str| json.get(name)?.as_str().map(str::to_owned);
        let hash = |json: &Value, name: &str| from_hex(json.get(name)?.as_str()?)?.try_into().ok();
        let left = |l: &Value| Some(LeftOut { what: text(l, "what")?, why: text(l, "why")?, count: l.get("count")?.as_u64()? });
        let file =
            |f: &Value| Some(FileEntry { path: text(f, "path")?, bytes: f.get("bytes")?.as_u64()?, sha256: hash(f, "sha256")? });
        Some(Self {
            origin: text(json, "origin")?,
            from: number("from")?,
            to: number("to")?,
            size: number("size")?,
            root: hash(json, "root")?,
            private: json.get("private")?.as_bool()?,
            tables: json.get("tables")?.as_array()?.iter().map(|t| t.as_str().map(str::to_owned)).collect::<Option<_>>()?,
            entries: number("entries")?,
            events: number("events")?,
            definitions: number("definitions")?,
            openings: number("openings")?,
            values: number("values")?,
            left_out: json.get("left_out")?.as_array()?.iter().map(left).collect::<Option<_>>()?,
            files: json.get("files")?.as_array()?.iter().map(file).collect::<Option<_>>()?,
        })
    }

    /// Whether tables of this format are there.
    #[must_use]
    pub fn has(&self, format: &str) -> bool {
        self.tables.iter().any(|table| table == format)
    }

    /// The first leaf of each file of leaves, as far as it lies in the range.
    pub fn pages(&self) -> impl Iterator<Item = u64> + use<> {
        let (from, to) = (self.from, self.to);
        (from / LEAVES_PER_FILE..to.div_ceil(LEAVES_PER_FILE)).map(move |page| from.max(page * LEAVES_PER_FILE))
    }

    /// The paths that an archive of this kind has, but for changes of the key.
    #[must_use]
    pub fn paths(&self) -> Vec<String> {
        let mut paths: Vec<String> = [crate::export::CHECKPOINT, PROOF, DEFINITIONS, README].map(str::to_owned).to_vec();
        paths.extend(self.pages().map(leaves_path));
        if self.private {
            paths.push(PRIVATE_DEFINITIONS.to_owned());
            paths.extend(self.pages().flat_map(|page| [private_path(page), values_path(page)]));
        }
        let levels = (0..8).filter(|level| {
            let (first, end) = tiles_within(*level, self.from, self.to);
            first < end
        });
        paths.extend(levels.map(tiles_path));
        paths.extend(self.tables.iter().flat_map(|format| Table::ALL.map(|table| table.path(format))));
        paths
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn manifest() -> Manifest {
        let file = |path: &str| FileEntry { path: path.to_owned(), bytes: 3, sha256: [7; 32] };
        Manifest {
            origin: "bank.example/\"trail\"".to_owned(),
            from: 256,
            to: 131_072,
            size: 131_073,
            root: [9; 32],
            private: true,
            tables: vec!["ndjson".to_owned()],
            entries: 1,
            events: 2,
            definitions: 3,
            openings: 4,
            values: 5,
            left_out: vec![LeftOut { what: "values".to_owned(), why: "erased".to_owned(), count: 6 }],
            files: vec![file("checkpoint"), file("proof")],
        }
    }

    #[test]
    fn a_manifest_is_read_as_it_was_written_and_no_other_way() {
        let text = manifest().render();
        assert_eq!(Manifest::parse(text.as_bytes()).unwrap(), manifest());
        for at in 0..text.len() {
            let mut bytes = text.clone().into_bytes();
            bytes[at] ^= 1;
            let read = Manifest::parse(&bytes);
            assert!(read.as_ref().is_err() || read.as_ref().is_ok_and(|m| *m != manifest()), "byte {at}");
        }
        assert!(Manifest::parse(text.replace(": ", ":").as_bytes()).is_err(), "another spelling");
        assert!(Manifest::parse(text.replace("\"from\": 256", "\"from\": 255").as_bytes()).is_err(), "no whole tile");
        assert!(Manifest::parse(text.replace("\"size\": 131073", "\"size\": 131071").as_bytes()).is_err(), "an open edge");
    }

    #[test]
    fn the_files_follow_from_the_range() {
        let paths = manifest().paths();
        for path in
            ["leaves/00000.ndjson", "leaves/00007.ndjson", "values/00003.ndjson", "tiles/0", "tiles/1", "tables/changes.ndjson"]
        {
            assert!(paths.iter().any(|p| p == path), "{path}: {paths:?}");
        }
        assert!(!paths.iter().any(|p| p == "tiles/2" || p == "leaves/00008.ndjson"));
        assert_eq!(tiles_within(0, 256, 1024), (1, 4));
        assert_eq!(tiles_within(1, 256, 131_072), (1, 2));
        assert_eq!(tiles_within(1, 256, 65_536), (1, 1));
    }
}
