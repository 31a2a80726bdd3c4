//! Cutting a request body into rows, keeping each row's own bytes.

use std::ops::Range;

use crate::ledger::Refusal;

use super::Door;

/// What a JSON body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// One object.
    Single,
    /// An array, cut into its elements.
    Array(Vec<Range<usize>>),
}

/// Tells an object from an array; a body that is neither, or is no JSON, is refused.
pub fn shape(body: &[u8]) -> Result<Shape, Refusal> {
    match body.iter().find(|b| !b.is_ascii_whitespace()) {
        Some(b'{') => Ok(Shape::Single),
        Some(b'[') => {
            if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(body) {
                return Err(Refusal::unreadable(format!("the array is not readable as JSON: {error}")));
            }
            Ok(Shape::Array(elements(body)))
        }
        Some(_) => Err(Refusal::unreadable("send one JSON object, or several as an array of objects")),
        None => Err(Refusal::unreadable("the request body is empty; send one JSON object")),
    }
}

/// The elements of an array that is valid JSON: its commas outside text and inner brackets part them.
fn elements(body: &[u8]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let (mut depth, mut in_text, mut escaped, mut from) = (0_u32, false, false, 0);
    for (at, byte) in body.iter().enumerate() {
        if in_text {
            in_text = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
            continue;
        }
        match byte {
            b'"' => in_text = true,
            b'[' | b'{' => {
                depth += 1;
                if depth == 1 {
                    from = at + 1;
                }
            }
            b',' if depth == 1 => {
                found.push(trimmed(body, from..at));
                from = at + 1;
            }
            b']' | b'}' => {
                depth -= 1;
                if depth == 0 {
                    let last = trimmed(body, from..at);
                    found.extend((!last.is_empty()).then_some(last));
                }
            }
            _ => {}
        }
    }
    found
}

fn trimmed(body: &[u8], range: Range<usize>) -> Range<usize> {
    let text = &body[range.clone()];
    let from = range.start + (text.len() - text.trim_ascii_start().len());
    from..from + text.trim_ascii().len()
}

/// Reads the lines of a piece of NDJSON whose first line is number `first`; blank lines are
/// counted but are no rows.
pub fn lines<D: Door>(door: &D, first: u64, piece: &[u8]) -> Vec<D::Row> {
    let numbered = piece.split(|b| *b == b'\n').zip(first..);
    numbered.filter(|(text, _)| !text.trim_ascii().is_empty()).map(|(text, line)| door.read(line, text.trim_ascii())).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::tests::Numbers;
    use super::*;

    fn cut(body: &str) -> Vec<&str> {
        match shape(body.as_bytes()).unwrap() {
            Shape::Array(ranges) => ranges.into_iter().map(|r| &body[r]).collect(),
            Shape::Single => panic!("{body} is no array"),
        }
    }

    #[test]
    fn an_array_is_cut_at_its_own_commas_only() {
        assert_eq!(cut("[]"), Vec::<&str>::new());
        assert_eq!(cut(" [ \n ] "), Vec::<&str>::new());
        assert_eq!(cut(r#"[{"a":"1,2]"} , {"b":[1,{"c":2}]},3]"#), [r#"{"a":"1,2]"}"#, r#"{"b":[1,{"c":2}]}"#, "3"]);
        assert_eq!(cut(r#"[{"a":"\"],["},{"b":"\\"}]"#), [r#"{"a":"\"],["}"#, r#"{"b":"\\"}"#]);
        assert_eq!(cut(r#"["é",null]"#), [r#""é""#, "null"]);
    }

    #[test]
    fn what_is_no_json_is_refused_as_a_whole() {
        for body in ["", "  ", "nope", "\"text\"", "[1,]", "[{]", "[1] 2", &"[".repeat(100_000)] {
            assert_eq!(shape(body.as_bytes()).unwrap_err().status, 400, "{}", &body[..body.len().min(20)]);
        }
        assert_eq!(shape(b" {nope").unwrap(), Shape::Single);
    }

    #[test]
    fn blank_lines_are_counted_but_are_no_rows() {
        assert_eq!(lines(&Numbers, 10, b"{}\r\n\n  \n{}\n"), [10, 13]);
    }
}
