//! Text as mail carries it: whoever saves a mail has the note in the encoding of its transfer.

/// Quoted-printable (RFC 2045, 6.7) decoded, soft line breaks joined; what is no such code stays.
pub(crate) fn unquoted(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let rest = &bytes[at + 1..];
        let end = rest.iter().position(|b| !matches!(b, b' ' | b'\t' | b'\r')).unwrap_or(rest.len());
        match (bytes[at], rest.get(end), code(rest)) {
            (b'=', None | Some(b'\n'), _) => at += end + 2,
            (b'=', _, Some(byte)) => {
                out.push(byte);
                at += 3;
            }
            (byte, ..) => {
                out.push(byte);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The byte of two hexadecimal digits.
fn code(rest: &[u8]) -> Option<u8> {
    let digit = |at: usize| rest.get(at).and_then(|b| char::from(*b).to_digit(16));
    u8::try_from(digit(0)? * 16 + digit(1)?).ok()
}

/// A line without what mail programs put around it.
pub(crate) fn bare(line: &str) -> String {
    untagged(line.trim_start_matches(['>', ' ', '\u{a0}', '\t'])).trim().to_owned()
}

/// A line of HTML without its tags.
fn untagged(line: &str) -> String {
    let mut parts = line.split('<');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('>').map_or("", |(_, after)| after))
}

/// What runs of lines in base64 hold, in their order.
pub(crate) fn in_base64(text: &str) -> Vec<String> {
    let is_one = |line: &&str| !line.is_empty() && line.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    let runs = lines.split(|line| !is_one(line)).filter(|run| !run.is_empty());
    let decoded = runs.filter_map(|run| crate::text::from_base64(&run.concat()));
    decoded.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}
