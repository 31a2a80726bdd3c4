//! What an export consists of: the paths of its files and their lines (`docs/verifying.md`).

use serde_json::{Value, json};

use crate::leaf::Hash;
use crate::text::{base64, decimal, from_base64, hex};

/// The format, as the first line of a bundle names it.
pub const FORMAT: &str = "counterfoil-export/1";

/// The file with the newest signed checkpoint.
pub const CHECKPOINT: &str = "checkpoint";

/// The folder of the checkpoints remembered from earlier.
pub const REMEMBERED: &str = "checkpoints";

/// The folder of the changes of the log's key.
pub const ROTATIONS: &str = "rotations";

/// The folder of the leaves.
pub const LEAVES: &str = "leaves";

/// The folder of their private parts.
pub const PRIVATE: &str = "private";

/// Leaves, and openings of leaves, in one file.
pub const LEAVES_PER_FILE: u64 = 16_384;

/// The private parts of a leaf and the salt they were committed to with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Number of the leaf.
    pub seq: u64,
    /// The salt.
    pub salt: [u8; 32],
    /// The parts: five of an entry, one of an event.
    pub parts: Vec<Option<String>>,
}

/// The path of a remembered checkpoint.
#[must_use]
pub fn remembered_path(size: u64, root: &Hash) -> String {
    format!("{REMEMBERED}/{size}-{}", hex(&root[..4]))
}

/// The path of a change of the key, by the size it was made at.
#[must_use]
pub fn rotation_path(size: u64) -> String {
    format!("{ROTATIONS}/{size}")
}

/// The path of the file that holds a leaf.
#[must_use]
pub fn leaves_path(seq: u64) -> String {
    format!("{LEAVES}/{:05}.ndjson", seq / LEAVES_PER_FILE)
}

/// The path of the file that holds the opening of a leaf.
#[must_use]
pub fn private_path(seq: u64) -> String {
    format!("{PRIVATE}/{:05}.ndjson", seq / LEAVES_PER_FILE)
}

/// The number of a file of leaves or of openings, by its path in its folder; nothing for a path that is none's.
#[must_use]
pub fn number_of(folder: &str, path: &str) -> Option<u64> {
    let digits = path.strip_prefix(folder)?.strip_prefix('/')?.strip_suffix(".ndjson")?;
    let number = digits.parse().ok().filter(|number| *number <= u64::MAX / LEAVES_PER_FILE)?;
    (format!("{number:05}") == digits).then_some(number)
}

/// The line of a leaf, with its end.
#[must_use]
pub fn leaf_line(seq: u64, leaf: &[u8]) -> String {
    format!("{{\"seq\":{seq},\"leaf\":\"{}\"}}\n", base64(leaf))
}

/// The leaf that [`leaf_line`] wrote; nothing for another line.
#[must_use]
pub fn parse_leaf(line: &str) -> Option<(u64, Vec<u8>)> {
    plain_leaf(line).or_else(|| any_leaf(line))
}

/// The line exactly as [`leaf_line`] writes it: there are millions.
fn plain_leaf(line: &str) -> Option<(u64, Vec<u8>)> {
    let (seq, leaf) = line.trim_end().strip_prefix("{\"seq\":")?.split_once(",\"leaf\":\"")?;
    Some((decimal(seq)?, from_base64(leaf.strip_suffix("\"}")?)?))
}

fn any_leaf(line: &str) -> Option<(u64, Vec<u8>)> {
    let line: Value = serde_json::from_str(line).ok()?;
    Some((line.get("seq")?.as_u64()?, from_base64(line.get("leaf")?.as_str()?)?))
}

/// The line of an opening, with its end.
#[must_use]
pub fn opening_line(opening: &Opening) -> String {
    let Opening { seq, salt, parts } = opening;
    format!("{}\n", json!({ "seq": seq, "salt": base64(salt), "parts": parts }))
}

/// The opening that [`opening_line`] wrote; nothing for another line.
#[must_use]
pub fn parse_opening(line: &str) -> Option<Opening> {
    let line: Value = serde_json::from_str(line).ok()?;
    let part = |part: &Value| match part {
        Value::Null => Some(None),
        Value::String(text) => Some(Some(text.clone())),
        _ => None,
    };
    Some(Opening {
        seq: line.get("seq")?.as_u64()?,
        salt: from_base64(line.get("salt")?.as_str()?)?.try_into().ok()?,
        parts: line.get("parts")?.as_array()?.iter().map(part).collect::<Option<_>>()?,
    })
}

/// The first line of a bundle: an export in one file, for a reader that can open only one.
#[must_use]
pub fn bundle_header() -> String {
    format!("{}\n", json!({ "format": FORMAT }))
}

/// The line of a bundle that holds a file.
#[must_use]
pub fn bundle_line(path: &str, content: &[u8]) -> String {
    match std::str::from_utf8(content) {
        Ok(text) => format!("{}\n", json!({ "path": path, "text": text })),
        Err(_) => format!("{}\n", json!({ "path": path, "base64": base64(content) })),
    }
}

/// The path and the content that [`bundle_line`] wrote; nothing for another line.
#[must_use]
pub fn parse_bundle_line(line: &str) -> Option<(String, Vec<u8>)> {
    let line: Value = serde_json::from_str(line).ok()?;
    let content = match (line.get("text"), line.get("base64")) {
        (Some(text), None) => text.as_str()?.as_bytes().to_vec(),
        (None, Some(encoded)) => from_base64(encoded.as_str()?)?,
        _ => return None,
    };
    Some((line.get("path")?.as_str()?.to_owned(), content))
}

/// Whether a line is the first of a bundle of this format.
#[must_use]
pub fn is_bundle(first_line: &str) -> bool {
    serde_json::from_str::<Value>(first_line).is_ok_and(|line| line.get("format") == Some(&Value::from(FORMAT)))
}

/// The text that tells whoever opens an export what it is.
#[must_use]
pub fn readme(origin: &str, size: u64, private: bool) -> String {
    let parts = if private {
        "It holds private parts (folder private): personal data. Keep it accordingly.\n"
    } else {
        "It holds no private parts; the leaves commit to them without revealing them.\n"
    };
    format!(
        "The log {origin}, leaves 0 to {}.\n\n{parts}\n\
         Verify it with a key that did not come with it: from the paper kept at installation,\n\
         from a person, not from this folder.\n\n\
         \x20   counterfoil-verify --key KEY FOLDER\n\n\
         or open verify.html in a browser and choose this folder. docs/verifying.md says what\n\
         is checked and what it means, docs/log-format.md how to write another verifier.\n",
        size.saturating_sub(1)
    )
}
