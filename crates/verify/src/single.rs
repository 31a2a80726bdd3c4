//! What a single file is that was handed over: a proof, a proof about an account, or something else, such as a
//! checkpoint. A proof is known as one whatever a mail program made of it, so that nobody passes off one that proves
//! nothing by the checkpoint at its end.

use crate::heads_proof::{self, HeadsProof};
use crate::tlog_proof::{self, TlogProof};
use crate::{mail, note};

/// What a file is meant to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Single {
    /// A proof of a leaf: its text, ready for [`crate::TlogProof::parse`].
    Proof(Vec<u8>),
    /// A proof about an account: its text, ready for [`heads_proof::HeadsProof::parse`].
    HeadsProof(Vec<u8>),
    /// More than one proof: which is meant cannot be told.
    Several,
    /// None of them.
    Other,
}

/// What names a proof in its first line, whatever its version.
const MARKS: [&str; 2] = ["c2sp.org/tlog-proof@", "counterfoil-heads-proof@"];

impl Single {
    /// What this is meant to be. A file that begins as a proof does is taken as it is; one with other line ends, quoted,
    /// among other words or in an encoding of mail is freed of them first.
    #[must_use]
    pub fn of(content: &[u8]) -> Self {
        let text = String::from_utf8_lossy(content);
        let as_it_is = carried(&text);
        match content.split(|b| *b == b'\n').next() {
            _ if as_it_is == Some(Self::Several) => return Self::Several,
            Some(first) if first == tlog_proof::HEADER.as_bytes() => return Self::Proof(content.to_vec()),
            Some(first) if first == heads_proof::HEADER.as_bytes() => return Self::HeadsProof(content.to_vec()),
            _ => {}
        }
        let mut ways: Vec<Self> = as_it_is.into_iter().chain(carried(&mail::unquoted(&text))).collect();
        ways.extend(mail::in_base64(&text).iter().filter_map(|text| carried(text)));
        // Which encoding it came in is told by what can be read.
        let best = ways.iter().position(Self::is_readable).unwrap_or(0);
        ways.into_iter().nth(best).unwrap_or(Self::Other)
    }

    fn is_readable(&self) -> bool {
        match self {
            Self::Proof(text) => TlogProof::parse(text).is_ok(),
            Self::HeadsProof(text) => HeadsProof::parse(text).is_ok(),
            Self::Several | Self::Other => false,
        }
    }
}

/// The proof in a text: from the line that names it to the signatures under it.
fn carried(text: &str) -> Option<Single> {
    let mark = |line: &str| MARKS.iter().position(|mark| line.contains(mark));
    if mark(text).is_none() && !text.contains('<') {
        return None;
    }
    let lines: Vec<String> = text.lines().map(mail::bare).collect();
    let (first, which) = lines.iter().enumerate().find_map(|(at, line)| Some((at, mark(line)?)))?;
    let lines = &lines[first..];
    let is_signature = |line: &String| note::is_signature(line.as_bytes());
    let signed = lines.iter().position(is_signature).unwrap_or(lines.len());
    let end = signed + lines[signed..].iter().take_while(|line| is_signature(line)).count();
    if lines[end..].iter().any(|line| mark(line).is_some()) {
        return Some(Single::Several);
    }
    let proof = (lines[..end].join("\n") + "\n").into_bytes();
    Some(if which == 0 { Single::Proof(proof) } else { Single::HeadsProof(proof) })
}
