//! The notes of a long text, one after the other, as `anchor.file` holds them: read as it comes, in bounded memory.

use std::io::{self, BufRead, Read};

use crate::note::{self, Note};

/// Of what is no note so far, so much is kept at least: a note begins within it.
const UNSIGNED_MAX: usize = 64 * 1024;
/// The longest line that is read as one.
const LINE_MAX: u64 = 16 * 1024;

/// The notes of a text; what is no note is passed over. None of them is trusted yet.
#[derive(Debug)]
pub struct Notes<R> {
    text: R,
    /// What was read since the last note.
    block: Vec<u8>,
    /// Whether it ends with a signature.
    signed: bool,
}

impl<R: BufRead> Notes<R> {
    /// Those of this text.
    pub const fn of(text: R) -> Self {
        Self { text, block: Vec::new(), signed: false }
    }

    /// Takes the next line; answers the note that it ends, or `false` at the end of the text.
    fn line(&mut self) -> io::Result<(Option<Note>, bool)> {
        let begin = self.block.len();
        let read = self.text.by_ref().take(LINE_MAX).read_until(b'\n', &mut self.block)?;
        let is = read > 0 && note::is_signature(&self.block[begin..]);
        let ended = self.signed && !is;
        self.signed = is;
        let mut found = None;
        if ended {
            let rest = self.block.split_off(begin);
            found = Note::find_plain(&std::mem::replace(&mut self.block, rest));
        } else if self.block.len() > if is { note::MAX_BYTES } else { 2 * UNSIGNED_MAX } {
            self.block.drain(..self.block.len() - UNSIGNED_MAX);
        }
        Ok((found, read > 0))
    }
}

impl<R: BufRead> Iterator for Notes<R> {
    type Item = io::Result<Note>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.line() {
                Ok((Some(note), _)) => return Some(Ok(note)),
                Ok((None, true)) => {}
                Ok((None, false)) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{Checkpoint, SignerKey};

    fn note(size: u64) -> String {
        let key = SignerKey::from_seed("bank/a", [5; 32]).unwrap();
        Checkpoint::new("bank/a", size, [7; 32]).sign(&[&key]).unwrap().to_string()
    }

    fn sizes(text: &[u8]) -> Vec<u64> {
        let size = |note: Note| Checkpoint::parse(note.unverified_text()).unwrap().size;
        Notes::of(text).map(|note| size(note.unwrap())).collect()
    }

    #[test]
    fn each_is_found_whatever_stands_between() {
        let torn: String = note(9).chars().take(60).collect();
        let text = format!("\n{}\n{}\nsomebody wrote this\n{torn}\n\n{}", note(1), note(2), note(3));
        assert_eq!(sizes(text.as_bytes()), [1, 2, 3]);
        assert_eq!(sizes(text.trim_end().as_bytes()), [1, 2, 3], "the last line without its end");
        assert!(sizes(b"").is_empty() && sizes(b"nothing signed\n").is_empty());
    }

    #[test]
    fn much_that_is_no_note_hides_none() {
        let noise = "x".repeat(300_000);
        let lines = "a line\n".repeat(60_000);
        let text = format!("{}{noise}\n{}{lines}{}", note(1), note(2), note(3));
        assert_eq!(sizes(text.as_bytes()), [1, 2, 3]);
        let mut stream = Notes::of(lines.as_bytes());
        assert!(stream.next().is_none() && stream.block.capacity() < 8 * UNSIGNED_MAX);
    }

    #[test]
    fn signatures_without_end_take_no_memory_without_end() {
        let signature = note(1).lines().last().unwrap().to_owned() + "\n";
        let many = format!("{}{}", note(1), signature.repeat(20_000));
        let mut stream = Notes::of(many.as_bytes());
        assert!(stream.next().is_none(), "with so many signatures it is no note");
        assert!(stream.block.capacity() < 4 * note::MAX_BYTES);
        assert_eq!(sizes(format!("{many}{}", note(2)).as_bytes()), [2]);
    }
}
