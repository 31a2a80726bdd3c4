//! Text as mail carries it: whoever saves a mail has a note in the encoding of its transfer.

use crate::note;
use crate::text::from_base64;

/// Where a line begins: the line of the file, and the how manieth part of it.
pub(crate) type Place = (usize, usize);

/// A line in one reading of a file.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) place: Place,
    /// Without its end; none for one that is not to be read in this way, and ends what stands before it.
    pub(crate) text: Option<String>,
}

/// A text in each of the ways in which it can be read: as it is, with quoted-printable decoded, each run of base64.
pub(crate) fn readings(text: &str) -> Vec<Vec<Line>> {
    let mut all = vec![lines(text), unquoted(text)];
    all.extend(in_base64(text));
    all
}

/// The lines of a text, with those that HTML breaks.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    text.lines().enumerate().flat_map(|(n, line)| broken(line, (n, 0))).collect()
}

/// A line where `<br>` breaks it; the place of the first part is given.
fn broken(line: &str, (n, part): Place) -> Vec<Line> {
    let at = |(k, text): (usize, &str)| Line { place: (n, part + k), text: Some(text.to_owned()) };
    if !line.contains('<') && !line.contains('&') {
        return vec![at((0, line))];
    }
    let text = line.replace("&mdash;", note::EM_DASH).replace("&#8212;", note::EM_DASH).replace("&#x2014;", note::EM_DASH);
    let text = text.replace("&nbsp;", " ").replace("&gt;", ">").replace("<BR", "<br");
    let mut parts = text.split("<br");
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.map(|part| part.split_once('>').map_or(part, |(_, after)| after)).collect();
    // A break at the end of a line is that line's end.
    let kept = rest.len() - usize::from(rest.last().is_some_and(|last| last.trim().is_empty()));
    std::iter::once(first).chain(rest[..kept].iter().copied()).enumerate().map(at).collect()
}

/// Quoted-printable (RFC 2045, 6.7) decoded, soft line breaks joined; what is no such code stays. A signature that
/// stands there in plain is not to be read in this way: its padding is no soft break.
fn unquoted(text: &str) -> Vec<Line> {
    let mut all = Vec::new();
    let mut pending: Option<(usize, String)> = None;
    for (n, line) in text.lines().enumerate() {
        if note::is_signature_line(&bare(line)) {
            all.extend(pending.take().map(decoded).into_iter().flatten());
            all.push(Line { place: (n, 0), text: None });
            continue;
        }
        let (begin, before) = pending.take().unwrap_or((n, String::new()));
        match line.trim_end().strip_suffix('=') {
            Some(soft) => pending = Some((begin, before + soft)),
            None => all.extend(decoded((begin, before + line))),
        }
    }
    all.extend(pending.map(decoded).into_iter().flatten());
    all
}

/// The lines that a line of quoted-printable holds.
fn decoded((n, line): (usize, String)) -> Vec<Line> {
    let bytes = line.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        match code(&bytes[at..]) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    let text = String::from_utf8_lossy(&out);
    let mut all = Vec::new();
    for line in text.split('\n') {
        let part = all.len();
        all.extend(broken(line, (n, part)));
    }
    all
}

/// The byte of `=` and two hexadecimal digits.
fn code(bytes: &[u8]) -> Option<u8> {
    let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
    if bytes.first() != Some(&b'=') {
        return None;
    }
    u8::try_from(digit(1)? * 16 + digit(2)?).ok()
}

/// A line without what mail programs put around it, and without a byte order mark.
pub(crate) fn bare(line: &str) -> String {
    let around = |c: char| matches!(c, '>' | ' ' | '\u{a0}' | '\t' | '\u{feff}');
    untagged(line.trim_start_matches(around)).trim().to_owned()
}

/// A line of HTML without its tags.
fn untagged(line: &str) -> String {
    let mut parts = line.split('<');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + part.split_once('>').map_or("", |(_, after)| after))
}

/// What runs of lines in base64 hold, in their order. Lines that are no base64 as a whole are taken as far as one
/// encoding reaches: its lines are of one length, but for the last.
fn in_base64(text: &str) -> Vec<Vec<Line>> {
    let is_one = |line: &str| !line.is_empty() && line.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=".contains(&b));
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let mut all = Vec::new();
    let mut at = 0;
    while at < lines.len() {
        let end = at + lines[at..].iter().take_while(|line| is_one(line)).count();
        match from_base64(&lines[at..end].concat()).filter(|bytes| !bytes.is_empty()) {
            Some(bytes) => all.push(in_run(at, &bytes)),
            None => all.extend(in_parts(&lines[..end], at)),
        }
        at = end + 1;
    }
    all
}

fn in_parts(lines: &[&str], mut at: usize) -> Vec<Vec<Line>> {
    let mut all = Vec::new();
    while at < lines.len() {
        let equal = lines[at..].iter().take_while(|line| line.len() == lines[at].len()).count();
        let longer = lines.get(at + equal).is_none_or(|last| last.len() > lines[at].len());
        let end = at + equal + usize::from(!longer);
        all.extend(from_base64(&lines[at..end].concat()).map(|bytes| in_run(at, &bytes)));
        at = end;
    }
    all
}

fn in_run(begin: usize, bytes: &[u8]) -> Vec<Line> {
    let text = String::from_utf8_lossy(bytes);
    let mut all: Vec<Line> = Vec::new();
    for line in text.lines() {
        // Nothing else begins in this line of the file, whatever part it is.
        let part = all.len() + 1;
        all.extend(broken(line, (begin, part)));
    }
    all
}
