//! Reads a received mail: just enough MIME for what the product sends.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::smtp::Received;

/// One part of a mail that is not itself made of parts.
#[derive(Clone, Debug)]
pub struct Part {
    /// The media type in lower case, without parameters.
    pub media_type: String,
    /// The name of an attached file.
    pub file_name: Option<String>,
    /// The content with its transfer encoding undone.
    pub content: Vec<u8>,
}

impl Received {
    /// A header of the mail, unfolded and with encoded words decoded.
    pub fn header(&self, name: &str) -> Option<String> {
        let (headers, _) = split(&self.raw);
        find(&headers, name).map(decode_words)
    }

    /// Every part in the order of the mail.
    pub fn parts(&self) -> Vec<Part> {
        let mut parts = Vec::new();
        collect(&self.raw, &mut parts);
        parts
    }

    /// The plain text, with `\n` between lines.
    ///
    /// # Panics
    /// When the mail has none.
    #[track_caller]
    pub fn text(&self) -> String {
        self.readable("text/plain")
    }

    /// The HTML, with `\n` between lines.
    ///
    /// # Panics
    /// When the mail has none.
    #[track_caller]
    pub fn html(&self) -> String {
        self.readable("text/html")
    }

    #[track_caller]
    fn readable(&self, media_type: &str) -> String {
        let parts = self.parts();
        let wanted = |part: &&Part| part.media_type == media_type && part.file_name.is_none();
        let Some(part) = parts.iter().find(wanted) else {
            let there: Vec<_> = parts.iter().map(|part| &part.media_type).collect();
            panic!("no {media_type} in this mail, only {there:?}");
        };
        match std::str::from_utf8(&part.content) {
            Ok(text) => text.replace("\r\n", "\n"),
            Err(error) => panic!("the {media_type} part is not UTF-8: {error}"),
        }
    }
}

type Headers = Vec<(String, String)>;

fn collect(entity: &[u8], parts: &mut Vec<Part>) {
    let (headers, body) = split(entity);
    let kind = find(&headers, "content-type").unwrap_or("text/plain");
    let media_type = kind.split(';').next().unwrap_or("").trim().to_ascii_lowercase();
    if media_type.starts_with("multipart/") {
        let boundary = parameter(kind, "boundary").expect("a multipart has a boundary");
        for inner in between(body, &boundary) {
            collect(inner, parts);
        }
        return;
    }
    let encoding = find(&headers, "content-transfer-encoding").unwrap_or("7bit");
    let disposition = find(&headers, "content-disposition").unwrap_or("");
    parts.push(Part {
        media_type,
        file_name: parameter(disposition, "filename"),
        content: match encoding.trim().to_ascii_lowercase().as_str() {
            "base64" => base64(body),
            "quoted-printable" => quoted_printable(body),
            _ => body.to_vec(),
        },
    });
}

/// Headers with unfolded values, and the body behind the empty line.
fn split(entity: &[u8]) -> (Headers, &[u8]) {
    let end = position(entity, b"\r\n\r\n").unwrap_or(entity.len());
    let text = String::from_utf8_lossy(&entity[..end]).into_owned();
    let unfolded = text.replace("\r\n ", " ").replace("\r\n\t", " ");
    let headers = unfolded
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
        .collect();
    (headers, entity.get(end + 4..).unwrap_or_default())
}

fn find<'a>(headers: &'a Headers, name: &str) -> Option<&'a str> {
    let mut all = headers.iter();
    all.find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
}

/// `multipart/mixed; boundary="x"` and `boundary` give `x`.
fn parameter(value: &str, name: &str) -> Option<String> {
    value.split(';').skip(1).find_map(|pair| {
        let (known, value) = pair.split_once('=')?;
        let same = known.trim().eq_ignore_ascii_case(name);
        same.then(|| value.trim().trim_matches('"').to_owned())
    })
}

/// What stands between the boundary lines.
fn between<'a>(body: &'a [u8], boundary: &str) -> Vec<&'a [u8]> {
    let line = format!("--{boundary}");
    let mut found = Vec::new();
    let mut rest = body;
    let mut inside = false;
    while let Some(at) = position(rest, line.as_bytes()) {
        if inside {
            // The line ending before a boundary belongs to the boundary.
            let part = &rest[..at];
            found.push(part.strip_suffix(b"\r\n").unwrap_or(part));
        }
        inside = true;
        rest = &rest[at + line.len()..];
        if rest.starts_with(b"--") {
            break;
        }
        rest = rest.strip_prefix(b"\r\n").unwrap_or(rest);
    }
    found
}

fn position(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|window| window == wanted)
}

fn base64(body: &[u8]) -> Vec<u8> {
    let dense: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    STANDARD.decode(dense).expect("a base64 part holds base64")
}

fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'=' {
            out.push(*first);
        } else if let Some(tail) = tail.strip_prefix(b"\r\n") {
            rest = tail;
        } else {
            let (digits, tail) = tail.split_at_checked(2).expect("two digits follow a =");
            out.push(hex(digits));
            rest = tail;
        }
    }
    out
}

fn hex(digits: &[u8]) -> u8 {
    let text = String::from_utf8_lossy(digits);
    u8::from_str_radix(&text, 16).unwrap_or_else(|_| panic!("={text} is not quoted-printable"))
}

/// `=?utf-8?b?…?=` and `=?utf-8?q?…?=` anywhere in a header.
fn decode_words(value: &str) -> String {
    let mut out = Vec::new();
    let mut rest = value;
    while let Some((before, word, after)) = next_word(rest) {
        // White space between two encoded words is not part of the text.
        if out.is_empty() || !before.trim().is_empty() {
            out.extend_from_slice(before.as_bytes());
        }
        out.extend(word);
        rest = after;
    }
    out.extend_from_slice(rest.as_bytes());
    String::from_utf8_lossy(&out).into_owned()
}

fn next_word(text: &str) -> Option<(&str, Vec<u8>, &str)> {
    let (before, inner) = text.split_once("=?")?;
    let (_charset, inner) = inner.split_once('?')?;
    let (encoding, inner) = inner.split_once('?')?;
    let (word, after) = inner.split_once("?=")?;
    let bytes = match encoding {
        "b" | "B" => base64(word.as_bytes()),
        _ => quoted_printable(word.replace('_', " ").as_bytes()),
    };
    Some((before, bytes, after))
}
