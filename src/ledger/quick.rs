//! Reading the JSON of entries in one pass, its texts borrowed: how nearly every row comes.
//!
//! What is written plainly is read here: objects of known fields, each once, with text, `null` or,
//! for `account_seq`, a whole number. Everything else, and everything that is wrong, is `None`: the
//! long way ([`Draft::from_json`]) reads it or says what is wrong, so that there is one authority.

use std::borrow::Cow;
use std::ops::Range;

use super::draft::{Draft, FIELDS};

/// Where `account_seq` stands among the fields.
const NUMBER: usize = 12;

/// A row as it stands in the text, every field still to be checked.
pub type Sent<'a> = Draft<Cow<'a, str>>;

/// Reads a body that is one object.
pub fn object(json: &[u8]) -> Option<Sent<'_>> {
    let mut reader = Reader::new(json)?;
    let (sent, _) = reader.object(&mut 0)?;
    reader.is_done().then_some(sent)
}

/// Reads a body that is an array of objects, handing each over with the range of its bytes; `None` is
/// known only at the end, when what was handed over is void.
pub fn array<'a>(json: &'a [u8], mut each: impl FnMut(Sent<'a>, Range<usize>)) -> Option<()> {
    let mut reader = Reader::new(json)?;
    let mut guess = 0;
    reader.take(b'[')?;
    loop {
        let (sent, range) = reader.object(&mut guess)?;
        each(sent, range);
        match reader.next()? {
            b',' => {}
            b']' => return reader.is_done().then_some(()),
            _ => return None,
        }
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Reader<'a> {
    fn new(json: &'a [u8]) -> Option<Reader<'a>> {
        std::str::from_utf8(json).ok().map(|text| Reader { text, at: 0 })
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    /// The next byte that is no blank, passed.
    fn next(&mut self) -> Option<u8> {
        loop {
            let byte = self.peek()?;
            self.at += 1;
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(byte);
            }
        }
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        (self.next()? == byte).then_some(())
    }

    /// Whether nothing but blanks is left.
    fn is_done(&mut self) -> bool {
        self.next().is_none()
    }

    /// One object. `guess`: the field that the last row began with is likely to come first again.
    fn object(&mut self, guess: &mut usize) -> Option<(Sent<'a>, Range<usize>)> {
        self.take(b'{')?;
        let (start, mut sent, mut seen) = (self.at - 1, Sent::default(), 0_u32);
        let slots = sent.slots();
        let mut likely = *guess;
        loop {
            self.take(b'"')?;
            let field = number_of(self.plain()?, likely)?;
            if seen == 0 {
                *guess = field;
            }
            (likely, seen) = (field + 1, fresh(seen, field)?);
            self.take(b':')?;
            *slots[field] = self.value(field)?;
            match self.next()? {
                b',' => {}
                b'}' => return Some((sent, start..self.at)),
                _ => return None,
            }
        }
    }

    fn value(&mut self, field: usize) -> Option<Option<Cow<'a, str>>> {
        match self.next()? {
            b'"' => self.string().map(Some),
            b'n' => {
                let rest = self.text.as_bytes().get(self.at..self.at + 3)?;
                self.at += 3;
                (rest == b"ull").then_some(None)
            }
            b'0'..=b'9' | b'-' if field == NUMBER => self.number().map(|text| Some(Cow::Borrowed(text))),
            _ => None,
        }
    }

    /// A whole number of at most 18 digits, as it would be written again; its first byte was passed.
    fn number(&mut self) -> Option<&'a str> {
        let start = self.at - 1;
        while self.peek()?.is_ascii_digit() {
            self.at += 1;
        }
        let text = &self.text[start..self.at];
        let digits = text.strip_prefix('-').unwrap_or(text);
        let plain = text == "0" || (1..=18).contains(&digits.len()) && !digits.starts_with('0');
        plain.then_some(text)
    }

    /// Text without escapes up to its end; its opening quote was passed.
    fn plain(&mut self) -> Option<&'a str> {
        let (start, end) = (self.at, plain_end(self.text.as_bytes(), self.at));
        self.at = end + 1;
        (self.text.as_bytes().get(end) == Some(&b'"')).then(|| &self.text[start..end])
    }

    /// Text up to its end; its opening quote was passed.
    fn string(&mut self) -> Option<Cow<'a, str>> {
        let (bytes, start) = (self.text.as_bytes(), self.at);
        let mut end = plain_end(bytes, start);
        if bytes.get(end) == Some(&b'"') {
            self.at = end + 1;
            return Some(Cow::Borrowed(&self.text[start..end]));
        }
        while bytes.get(end) == Some(&b'\\') {
            end = plain_end(bytes, end + 2);
        }
        self.at = end + 1;
        let quoted = self.text.get(start - 1..self.at)?;
        serde_json::from_str(quoted).ok().map(Cow::Owned)
    }
}

/// The number of a field by its name, looked for from `likely` on: senders keep an order.
fn number_of(name: &str, likely: usize) -> Option<usize> {
    let (before, after) = FIELDS.split_at(likely.min(FIELDS.len()));
    let in_order = after.iter().position(|(field, _)| *field == name).map(|at| at + likely);
    in_order.or_else(|| before.iter().position(|(field, _)| *field == name))
}

/// Notes that a field was seen; `None` when it was seen before.
fn fresh(seen: u32, field: usize) -> Option<u32> {
    let bit = 1 << field;
    (seen & bit == 0).then_some(seen | bit)
}

/// Where plain text from `at` on ends: at a quote, a backslash or a control character, or with the body.
fn plain_end(bytes: &[u8], mut at: usize) -> usize {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    // The lowest byte that is below a bound has its high bit set; the bytes after it may be wrong.
    let below = |word: u64, bound: u64| word.wrapping_sub(ONES * bound) & !word & HIGH;
    while let Some(Ok(word)) = bytes.get(at..at + 8).map(TryInto::try_into) {
        let word = u64::from_le_bytes(word);
        let (quote, escape) = (word ^ (ONES * u64::from(b'"')), word ^ (ONES * u64::from(b'\\')));
        let found = below(quote, 1) | below(escape, 1) | below(word, 0x20);
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    rest.iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).map_or(bytes.len(), |n| at + n)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    /// What the long way makes of it.
    fn long(json: &[u8]) -> Option<Draft> {
        Draft::from_json(json).ok()
    }

    fn owned(sent: Sent<'_>) -> Draft {
        let mut sent = sent;
        let mut draft = Draft::default();
        for (slot, text) in draft.slots().into_iter().zip(sent.slots()) {
            *slot = text.take().map(Cow::into_owned);
        }
        draft
    }

    #[test]
    fn the_number_stands_where_it_is_looked_for() {
        assert_eq!(FIELDS[NUMBER].0, "account_seq");
        assert!(FIELDS.len() <= 32, "a bit of each field");
    }

    #[test]
    fn plain_rows_are_read_without_a_copy() {
        let sent = object(br#" {"source_ref" : "T1","amount":"5","account_seq":-7,"reason":null} "#).unwrap();
        assert!(matches!(sent.source_ref, Some(Cow::Borrowed("T1"))));
        assert_eq!((sent.amount.as_deref(), sent.account_seq.as_deref(), sent.reason), (Some("5"), Some("-7"), None));
        let escaped = object(r#"{"reason":"a\"\u00e9\\","account":"é"}"#.as_bytes()).unwrap();
        assert_eq!((escaped.reason.as_deref(), escaped.account.as_deref()), (Some("a\"é\\"), Some("é")));
    }

    #[test]
    fn an_array_hands_over_each_row_with_its_bytes() {
        let body = br#"[ {"account":"1"} , {"amount":"2","account":"3"}]"#;
        let mut rows = Vec::new();
        array(body, |sent, range| rows.push((sent.account.unwrap().into_owned(), &body[range]))).unwrap();
        assert_eq!(rows, [("1".into(), &br#"{"account":"1"}"#[..]), ("3".into(), br#"{"amount":"2","account":"3"}"#)]);
    }

    #[test]
    fn whatever_is_out_of_the_ordinary_goes_the_long_way() {
        for json in [
            &br#"{}"#[..],
            br#"{"account":"1",}"#,
            br#"{"account":"1"} x"#,
            br#"{"account":"1","account":"1"}"#,
            br#"{"account":null,"account":"1"}"#,
            br#"{"account":1}"#,
            br#"{"account_seq":-0}"#,
            br#"{"account_seq":01}"#,
            br#"{"account_seq":1.0}"#,
            br#"{"account_seq":1e3}"#,
            br#"{"account_seq":-}"#,
            br#"{"account_seq":9223372036854775808}"#,
            br#"{"mystery":"1"}"#,
            br#"{"account":"1"#,
            br#"{"account":"1\"#,
            br#"{"account":"\ud800"}"#,
            b"{\"account\":\"\x01\"}",
            b"{\"account\":\"\xff\"}",
            br#"{"account":nul}"#,
            br#"["account"]"#,
            b"",
        ] {
            assert!(object(json).is_none(), "{}", String::from_utf8_lossy(json));
        }
        for json in [&b"[]"[..], b"[{}]", br#"[{"account":"1"},]"#, br#"[{"account":"1"}"#, br#"[{"account":"1"}] 2"#] {
            assert!(array(json, |_, _| {}).is_none(), "{}", String::from_utf8_lossy(json));
        }
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_the_long_way_reads(
            fields in proptest::collection::vec((0..FIELDS.len(), "(?s).{0,40}", 0..6_u8), 1..12),
            blanks in "[ \n\t\r]{0,3}", cut in 0..4_000_usize,
        ) {
            let members: Vec<String> = fields.iter().map(|(field, text, form)| {
                let value = match form {
                    0 => "null".to_owned(),
                    1 => text.len().to_string(),
                    _ => serde_json::to_string(text).unwrap(),
                };
                format!("\"{}\"{blanks}:{value}", FIELDS[*field].0)
            }).collect();
            let json = format!("{{{blanks}{}}}", members.join(&format!(",{blanks}")));
            // Whole, and broken off or bent somewhere.
            let mut bent = json.clone().into_bytes();
            let at = cut % bent.len();
            bent[at] = bent[at].wrapping_add(1);
            for json in [json.as_bytes(), &json.as_bytes()[..at], &bent] {
                if let Some(sent) = object(json) {
                    prop_assert_eq!(Some(owned(sent)), long(json));
                }
            }
            let whole = long(json.as_bytes());
            prop_assert_eq!(object(json.as_bytes()).map(owned), whole, "what is readable is read here");
        }

        #[test]
        fn text_ends_where_a_byte_by_byte_look_finds_it(text in proptest::collection::vec(any::<u8>(), 0..40), from in 0..40_usize) {
            let from = from.min(text.len());
            let end = text[from..].iter().position(|b| matches!(b, b'"' | b'\\' | 0..0x20)).map_or(text.len(), |n| from + n);
            prop_assert_eq!(plain_end(&text, from), end);
        }
    }
}
