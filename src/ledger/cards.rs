//! Card numbers in free text: found by their shape and their check digit, and masked.

/// Digits of a card number, at least.
const DIGITS_MIN: usize = 13;
/// Digits of a card number, at most.
const DIGITS_MAX: usize = 19;

/// Masks every card number in a text; answers how many there were.
///
/// A card number has 13 to 19 digits (of any width), with at most two blanks, hyphens, points, slashes or underscores
/// between them, begins as one of the card schemes does, has the length of that scheme, and its check digit (Luhn) is
/// right. Six digits in front and four at the end stay. One within a longer number is not looked for.
pub fn mask(text: &str) -> (String, u32) {
    let chars: Vec<char> = text.chars().collect();
    let (mut out, mut at, mut found) = (String::with_capacity(text.len()), 0, 0);
    while at < chars.len() {
        match card(&chars[at..]).filter(|_| at == 0 || digit(chars[at - 1]).is_none()) {
            Some(length) => {
                found += 1;
                hide(&chars[at..at + length], &mut out);
                at += length;
            }
            None => {
                out.push(chars[at]);
                at += 1;
            }
        }
    }
    (out, found)
}

/// Whether a text has digits enough for a card number.
pub fn may_have(text: &str) -> bool {
    text.chars().filter(|c| digit(*c).is_some()).nth(DIGITS_MIN - 1).is_some()
}

/// Whether a text holds a card number that was masked.
pub fn is_masked(text: &str) -> bool {
    let plain: Vec<char> = text.chars().filter(|c| !is_separator(*c)).collect();
    let digits = |of: &[char]| of.iter().all(|c| digit(*c).is_some());
    let at = |at: usize| {
        let stars = plain[at..].iter().take_while(|c| **c == '*').count();
        let behind = plain.get(at + stars..at + stars + 4);
        (3..=9).contains(&stars) && at >= 6 && digits(&plain[at - 6..at]) && behind.is_some_and(digits)
    };
    (1..plain.len()).any(|n| plain[n] == '*' && plain[n - 1] != '*' && at(n))
}

/// A digit, full width or not.
fn digit(c: char) -> Option<u8> {
    let narrow = match c {
        '\u{ff10}'..='\u{ff19}' => u32::from(c) - 0xff10,
        _ => c.to_digit(10)?,
    };
    Some(narrow as u8)
}

/// What may stand between the groups of a number.
fn is_separator(c: char) -> bool {
    matches!(c, ' ' | '-' | '.' | '/' | '_' | '\u{a0}' | '\u{2009}' | '\u{202f}')
}

/// How many characters the card number has that the text begins with: whole groups of digits, the most
/// that make one.
fn card(chars: &[char]) -> Option<usize> {
    let (mut digits, mut found, mut apart) = (Vec::with_capacity(DIGITS_MAX), None, 0);
    for (at, c) in chars.iter().enumerate() {
        let Some(digit) = digit(*c) else {
            apart += 1;
            if at == 0 || apart > 2 || !is_separator(*c) {
                break;
            }
            continue;
        };
        digits.push(digit);
        apart = 0;
        if digits.len() > DIGITS_MAX {
            break;
        }
        let ends = chars.get(at + 1).is_none_or(|next| self::digit(*next).is_none());
        if ends && is_card(&digits) {
            found = Some(at + 1);
        }
    }
    found
}

/// The same characters, but for the digits in the middle.
fn hide(card: &[char], out: &mut String) {
    let digits = card.iter().filter(|c| digit(**c).is_some()).count();
    let mut nth = 0;
    for c in card {
        let hidden = digit(*c).is_some() && (6..digits - 4).contains(&nth);
        nth += usize::from(digit(*c).is_some());
        out.push(if hidden { '*' } else { *c });
    }
}

fn is_card(digits: &[u8]) -> bool {
    let front = |n: usize| digits.iter().take(n).fold(0_u32, |all, digit| all * 10 + u32::from(*digit));
    let length = digits.len();
    let scheme = match front(2) {
        40..=49 => matches!(length, 13 | 16 | 19),
        51..=55 => length == 16,
        22..=27 => length == 16 && (2221..=2720).contains(&front(4)),
        34 | 37 => length == 15,
        30 | 36 | 38 | 39 => length == 14,
        35 | 50 | 56..=58 | 60..=69 => (16..=19).contains(&length),
        _ => false,
    };
    scheme && luhn(digits)
}

fn luhn(digits: &[u8]) -> bool {
    let sum: u32 = digits
        .iter()
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2 == 1, u32::from(*digit)) {
            (false, digit) => digit,
            (true, digit) => digit * 2 / 10 + digit * 2 % 10,
        })
        .sum();
    sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn card_numbers_are_masked_and_nothing_else() {
        for (text, masked, found) in [
            ("4111111111111111", "411111******1111", 1),
            ("card 4111 1111-1111 1111, gone", "card 4111 11**-**** 1111, gone", 1),
            ("5555555555554444 and 378282246310005", "555555******4444 and 378282*****0005", 2),
            ("4111111111111112", "4111111111111112", 0),
            ("12345678901234567890123", "12345678901234567890123", 0),
            ("AT61 1904 3002 3457 3201", "AT61 1904 3002 3457 3201", 0),
            ("tel. +43 1 4111", "tel. +43 1 4111", 0),
            ("4111  1111 1111 1111", "4111  11** **** 1111", 1),
            ("4111   1111 1111 1111", "4111   1111 1111 1111", 0),
            ("4111.1111/1111_1111\u{a0}", "4111.11**/****_1111\u{a0}", 1),
            ("４１１１１１１１１１１１１１１１", "４１１１１１******１１１１", 1),
            ("on 2026-11-22 at 14.03", "on 2026-11-22 at 14.03", 0),
            ("é4111111111111111é", "é411111******1111é", 1),
            ("12 4111 1111 1111 1111 2026", "12 4111 11** **** 1111 2026", 1),
            ("", "", 0),
        ] {
            assert_eq!(mask(text), (masked.to_owned(), found), "{text}");
        }
    }

    #[test]
    fn a_masked_number_is_known_as_one() {
        for text in ["4111 1111 1111 1111", "paid with 5500-0000-0000-0004.", "378282246310005"] {
            let (masked, found) = mask(text);
            assert!(found == 1 && is_masked(&masked) && !is_masked(text), "{masked}");
        }
        assert!(!is_masked("***") && !is_masked("123456 ** 1234") && !is_masked("a 12345***1234"));
    }
}
