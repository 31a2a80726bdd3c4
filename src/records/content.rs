//! By what the same content is known again, though sent values are not kept as they were sent.

use sha2::{Digest, Sha256};

use crate::clock::Clock;
use crate::config::RecordType;

use super::change::{Content, NewChange, class_text};
use super::document::Document;
use super::json::Json;

/// Everything a change says, as one text; sensitive values as what `digest` makes of them.
pub fn text(change: &NewChange, rules: &RecordType, digest: &mut dyn FnMut(&str, &Json) -> String) -> String {
    let mut document = |document: &Document| {
        let value = |(path, value): (&String, &Json)| match rules.is_sensitive(path, &change.sensitive) {
            true => (path.clone(), digest(path, value)),
            false => (path.clone(), value.normal()),
        };
        document.0.iter().map(value).collect::<Vec<_>>()
    };
    let content = match &change.content {
        Content::Whole { before, after } => serde_json::json!([before.as_ref().map(&mut document), document(after)]),
        Content::Fields(list) => {
            let mut fields = Vec::with_capacity(list.len());
            for listed in list {
                fields.push(serde_json::json!([listed.path, listed.old.as_ref().map(&mut document), document(&listed.new)]));
            }
            serde_json::json!({ "fields": fields })
        }
    };
    let mut text = serde_json::json!([
        change.kind,
        change.id,
        change.action.text(),
        content,
        change.changed_at.map(|at| at.0),
        change.who,
        change.reason,
        class_text(change.class),
        change.sensitive,
    ]);
    // Changes of before there were subjects have the same text as ever.
    if let (Some(parts), Some(subject)) = (text.as_array_mut(), &change.subject) {
        parts.push(subject.clone().into());
    }
    text.to_string()
}

/// What is kept of such a text: a salt and a digest.
pub fn mark(clock: &Clock, text: &str) -> String {
    let salt = clock.random::<16>();
    format!("{}:{}", hex::encode(salt), hex::encode(digest(&salt, text)))
}

/// Whether a mark is that of this text.
pub fn is_mark_of(mark: &str, text: &str) -> bool {
    let Some((salt, known)) = mark.split_once(':') else { return false };
    hex::decode(salt).is_ok_and(|salt| hex::encode(digest(&salt, text)) == known)
}

fn digest(salt: &[u8], text: &str) -> Vec<u8> {
    Sha256::new().chain_update(salt).chain_update(text).finalize().to_vec()
}
