//! The log's name and its key.

use serde_json::Value;

use super::{Body, Said, plain};

pub(super) fn said(kind: &str, body: &Body<'_>) -> Option<Said> {
    Some(plain(match kind {
        "log.key_rotated" => "Another key signs the log from here on; the old and the new one both signed the change.".to_owned(),
        "log.recovered" => {
            let lost = match (&body.fields["lost"][0], &body.fields["lost"][1]) {
                (Value::Number(from), Value::Number(to)) => format!("leaves {from} to before {to} were lost"),
                _ => "its key was lost".to_owned(),
            };
            format!("The log goes on as {} after a loss, as two officers decided: {lost}.", body.text("origin"))
        }
        _ => return None,
    }))
}
