//! Lines of bounded length, numbered from 1.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read};

use super::source::Text;
use super::{ImportError, ROW_BYTES_KEPT};

/// A longer line is cut and refused.
pub(super) const LINE_MAX: usize = 1 << 20;

/// One line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// From 1.
    pub number: u64,
    /// At most [`LINE_MAX`]; of a longer line its beginning.
    pub bytes: Vec<u8>,
    /// Whether `bytes` is all of it.
    pub whole: bool,
    /// Not to be joined with the next, although a quote is open: that was tried.
    pub alone: bool,
}

impl Line {
    /// Nothing but spaces.
    pub fn is_blank(&self) -> bool {
        self.bytes.iter().all(u8::is_ascii_whitespace)
    }
}

/// The lines of a text.
pub(super) struct Lines<'a> {
    input: Text<'a>,
    number: u64,
    back: VecDeque<Line>,
}

impl<'a> Lines<'a> {
    pub fn new(input: Text<'a>) -> Lines<'a> {
        Lines { input, number: 0, back: VecDeque::new() }
    }

    /// The next line, or `None` at the end.
    pub fn next(&mut self) -> Result<Option<Line>, ImportError> {
        if let Some(line) = self.back.pop_front() {
            return Ok(Some(line));
        }
        self.read().map_err(|error| ImportError::Damaged { line: self.number, error })
    }

    /// The next line that is not blank.
    pub fn next_filled(&mut self) -> Result<Option<Line>, ImportError> {
        loop {
            match self.next()? {
                Some(line) if line.is_blank() => {}
                other => return Ok(other),
            }
        }
    }

    /// Gives lines back, to be read again in this order.
    pub fn put_back(&mut self, lines: Vec<Line>) {
        for line in lines.into_iter().rev() {
            self.back.push_front(line);
        }
    }

    fn read(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let n = self.input.by_ref().take(LINE_MAX as u64 + 1).read_until(b'\n', &mut bytes)?;
        if n == 0 {
            return Ok(None);
        }
        let ended = bytes.last() == Some(&b'\n');
        let whole = ended || n <= LINE_MAX;
        if ended {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        if !whole {
            bytes.truncate(ROW_BYTES_KEPT);
            bytes.shrink_to_fit();
            self.skip_line()?;
        }
        if self.number == 0 && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        self.number += 1;
        Ok(Some(Line { number: self.number, bytes, whole, alone: false }))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let buffer = self.input.fill_buf()?;
            if buffer.is_empty() {
                return Ok(());
            }
            let end = buffer.iter().position(|b| *b == b'\n');
            let used = end.map_or(buffer.len(), |at| at + 1);
            self.input.consume(used);
            if end.is_some() {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn lines(text: &[u8]) -> Vec<(u64, usize, bool)> {
        let mut lines = Lines::new(Box::new(io::Cursor::new(text.to_vec())));
        std::iter::from_fn(|| lines.next().unwrap()).map(|l| (l.number, l.bytes.len(), l.whole)).collect()
    }

    #[test]
    fn every_end_of_line_is_known_and_a_byte_order_mark_is_no_text() {
        assert_eq!(lines(b"\xef\xbb\xbfab\r\nc\n\nd"), [(1, 2, true), (2, 1, true), (3, 0, true), (4, 1, true)]);
        assert_eq!(lines(b""), []);
    }

    #[test]
    fn a_line_of_a_hundred_megabytes_is_cut_and_the_next_is_read() {
        let mut text = vec![b'x'; LINE_MAX * 3];
        text.extend_from_slice(b"\nnext\n");
        assert_eq!(lines(&text), [(1, ROW_BYTES_KEPT, false), (2, 4, true)]);
        assert_eq!(lines(&vec![b'x'; LINE_MAX]), [(1, LINE_MAX, true)]);
    }
}
