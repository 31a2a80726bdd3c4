//! A mail with its subject and texts, and its form on the wire.

use std::time::{Duration, UNIX_EPOCH};

use lettre::message::header::{ContentTransferEncoding, ContentType, HeaderName, HeaderValue};
use lettre::message::{Body, Mailbox, Message, MultiPart, MultiPartKind, SinglePart};

use crate::clock::Moment;

/// One mail to one recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// `<…@…>`: the same at every try.
    pub message_id: String,
    /// The address it goes to.
    pub recipient: String,
    /// One line.
    pub subject: String,
    /// The plain part.
    pub text: String,
    /// The HTML part, with the same facts.
    pub html: String,
    /// The time of the try.
    pub date: Moment,
}

impl Letter {
    /// The whole mail as RFC 5322 has it: ASCII, both texts quoted-printable. The same letter gives
    /// the same bytes.
    pub fn formatted(&self, from: Mailbox, to: Mailbox) -> Result<Vec<u8>, lettre::error::Error> {
        let micros = u64::try_from(self.date.0).unwrap_or_default();
        // Kept apart from quoted-printable text by "=_", which that never holds.
        let boundary = format!("=_{}", self.message_id.trim_matches(['<', '>']).split('@').next().unwrap_or_default());
        let parts = MultiPart::builder()
            .kind(MultiPartKind::Alternative)
            .boundary(boundary)
            .singlepart(part(ContentType::TEXT_PLAIN, &self.text))
            .singlepart(part(ContentType::TEXT_HTML, &self.html));
        let automatic = HeaderName::new_from_ascii_str("Auto-Submitted");
        let message = Message::builder()
            .from(from)
            .to(to)
            .subject(self.subject.clone())
            .date(UNIX_EPOCH + Duration::from_micros(micros))
            .message_id(Some(self.message_id.clone()))
            .raw_header(HeaderValue::new(automatic, "auto-generated".to_owned()))
            .multipart(parts)?;
        Ok(message.formatted())
    }
}

fn part(kind: ContentType, text: &str) -> SinglePart {
    let encoding = ContentTransferEncoding::QuotedPrintable;
    match Body::new_with_encoding(text.to_owned(), encoding) {
        Ok(body) => SinglePart::builder().header(kind).body(body),
        // Any text can be quoted-printable; if lettre ever disagrees, let it choose.
        Err(text) => SinglePart::builder().header(kind).body(text),
    }
}
